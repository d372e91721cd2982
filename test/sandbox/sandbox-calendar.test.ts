import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { CalendarDayShown } from '../../sandbox/account-state.ts'
import type { SandboxSettings } from '../../sandbox/settings.ts'
import { accountId, openSandbox, until } from './sandbox-fixture.ts'

async function openCalendar(
  t: TestContext,
  { units = 1, ...settings }: Partial<SandboxSettings> & { units?: number } = {},
) {
  const opened = await openSandbox(t, settings)
  const { listing } = await opened.control.addListing(accountId, { name: 'Test House', price: 80, units })
  const path = `/listings/${listing.id}/calendar`
  const days = async (from: string, to: string) =>
    (await opened.api<CalendarDayShown[]>('GET', `${path}?startDate=${from}&endDate=${to}`)).body.result
  const statuses = async (from: string, to: string) => (await days(from, to)).map(({ status }) => status)
  return { ...opened, listingId: listing.id, path, days, statuses }
}

test('both ends of a range are included, and a day has all its keys', async (t) => {
  const { days, api, path } = await openCalendar(t)
  const shown = await days('2027-05-01', '2027-05-03')
  assert.deepEqual(
    shown.map(({ date }) => date),
    ['2027-05-01', '2027-05-02', '2027-05-03'],
  )
  assert.equal(Object.keys(shown[0] ?? {}).length, 19)
  assert.deepEqual([shown[0]?.price, shown[0]?.status, shown[0]?.desiredUnitsToSell], [80, 'available', null])
  const written = await api<CalendarDayShown[]>('PUT', path, {
    startDate: '2027-05-02',
    endDate: '2027-05-03',
    isAvailable: 0,
    price: 99.5,
  })
  assert.equal(written.body.result.length, 2)
  const [before, ...after] = await days('2027-05-01', '2027-05-03')
  assert.equal(before?.status, 'available')
  for (const day of after) {
    assert.deepEqual([day.status, day.isAvailable, day.price, day.countBlockedUnits], ['blocked', 0, 99.5, 1])
  }
})

test('a partial write leaves the other values as they were', async (t) => {
  const { days, api, path } = await openCalendar(t)
  const range = { startDate: '2027-05-01', endDate: '2027-05-01' }
  await api('PUT', path, { ...range, price: 120, minimumStay: 3, note: 'fair' })
  await api('PUT', path, { ...range, isAvailable: 0 })
  const [day] = await days('2027-05-01', '2027-05-01')
  assert.deepEqual([day?.price, day?.minimumStay, day?.note, day?.status], [120, 3, 'fair', 'blocked'])
})

test('intervals answer an empty array, at most 200 are taken, and a bad one spoils the call', async (t) => {
  const { statuses, api, path } = await openCalendar(t)
  const interval = (day: string, isAvailable: unknown = 0) => ({ startDate: day, endDate: day, isAvailable })
  const good = await api('PUT', `${path}Intervals`, [interval('2027-05-01'), interval('2027-05-03')])
  assert.deepEqual(good.body, { status: 'success', result: [] })
  assert.deepEqual(await statuses('2027-05-01', '2027-05-03'), ['blocked', 'available', 'blocked'])
  const tooMany = Array.from({ length: 201 }, () => interval('2027-05-05'))
  assert.equal((await api('PUT', `${path}Intervals`, tooMany)).body.status, 'fail')
  assert.equal((await api('PUT', `${path}Intervals`, tooMany.slice(1))).body.status, 'success')
  for (const bad of [interval('2027-02-30'), interval('2027-05-08', true), { startDate: '2027-05-08' }]) {
    const { status, body } = await api('PUT', `${path}Intervals`, [interval('2027-05-08'), bad])
    assert.deepEqual([status, body.status, typeof body.result], [422, 'fail', 'string'])
  }
  assert.deepEqual(await statuses('2027-05-08', '2027-05-08'), ['available'])
})

test('the way invalid input is answered can be switched', async (t) => {
  const { control, api, path } = await openCalendar(t)
  await control.setSwitches({ validationStatus: 200, failureText: 'message' })
  const { status, body } = await api('PUT', path, { startDate: 'soon', endDate: 'later' })
  assert.deepEqual(
    [status, body.status, typeof body.message, body.result],
    [200, 'fail', 'string', undefined],
  )
})

test('nights of a stay are reserved, the departure day stays open, and cancelling frees even blocked days', async (t) => {
  const { control, api, path, listingId, statuses } = await openCalendar(t)
  const stay = { listingMapId: listingId, arrivalDate: '2027-05-10', departureDate: '2027-05-12' }
  const { id } = await control.book(accountId, stay)
  assert.deepEqual(await statuses('2027-05-09', '2027-05-12'), [
    'available',
    'reserved',
    'reserved',
    'available',
  ])
  await api('PUT', path, { startDate: '2027-05-09', endDate: '2027-05-10', isAvailable: 0 })
  assert.deepEqual(await statuses('2027-05-09', '2027-05-11'), ['blocked', 'reserved', 'reserved'])
  await control.cancel(accountId, id)
  assert.deepEqual(await statuses('2027-05-09', '2027-05-11'), ['blocked', 'available', 'available'])
  await control.resurrect(accountId, id)
  assert.deepEqual(await statuses('2027-05-10', '2027-05-11'), ['reserved', 'reserved'])
})

test('inquiries hold nothing and requests show as pending', async (t) => {
  const { control, listingId, statuses } = await openCalendar(t)
  const stay = { listingMapId: listingId, arrivalDate: '2027-05-10', departureDate: '2027-05-11' }
  await control.book(accountId, { ...stay, status: 'inquiry' })
  assert.deepEqual(await statuses('2027-05-10', '2027-05-10'), ['available'])
  await control.book(accountId, { ...stay, status: 'pending' })
  assert.deepEqual(await statuses('2027-05-10', '2027-05-10'), ['pending'])
})

test('blocked or taken nights are booked only by force', async (t) => {
  const { control, api, path, listingId } = await openCalendar(t)
  const stay = { listingMapId: listingId, arrivalDate: '2027-05-10', departureDate: '2027-05-12' }
  await api('PUT', path, { startDate: '2027-05-11', endDate: '2027-05-11', isAvailable: 0 })
  await assert.rejects(control.book(accountId, stay), /409/)
  await control.book(accountId, { ...stay, force: true })
  await assert.rejects(control.book(accountId, stay), /409/)
})

test('a new reservation shows in the calendar only after the delay', async (t) => {
  const { control, listingId, statuses } = await openCalendar(t, { reservedDelayMs: 1_000, timeScale: 1 })
  const stay = { listingMapId: listingId, arrivalDate: '2027-05-10', departureDate: '2027-05-11' }
  await control.book(accountId, stay)
  assert.deepEqual(await statuses('2027-05-10', '2027-05-10'), ['available'])
  await assert.rejects(control.book(accountId, stay), /409/)
  await until(async () => (await statuses('2027-05-10', '2027-05-10'))[0] === 'reserved')
})

test('a listing of several units counts what is left to sell', async (t) => {
  const { control, api, path, listingId, days } = await openCalendar(t, { units: 3 })
  const stay = { listingMapId: listingId, arrivalDate: '2027-05-10', departureDate: '2027-05-11' }
  const counts = async () => {
    const [day] = await days('2027-05-10', '2027-05-10')
    return [day?.status, day?.availableUnitsToSell, day?.countReservedUnits, day?.desiredUnitsToSell]
  }
  assert.deepEqual(await counts(), ['available', 3, 0, null])
  const first = await control.book(accountId, stay)
  const second = await control.book(accountId, stay)
  assert.notEqual(first.reservationUnit[0]?.listingUnitId, second.reservationUnit[0]?.listingUnitId)
  assert.deepEqual(await counts(), ['available', 1, 2, null])
  const range = { startDate: '2027-05-10', endDate: '2027-05-10' }
  await api('PUT', path, { ...range, desiredUnitsToSell: 0 })
  assert.deepEqual(await counts(), ['blocked', 0, 2, 0])
  assert.equal((await api('PUT', path, { ...range, desiredUnitsToSell: 4 })).body.status, 'fail')
  await api('PUT', path, { ...range, desiredUnitsToSell: 3 })
  await control.book(accountId, stay)
  assert.deepEqual(await counts(), ['reserved', 0, 3, 3])
  await assert.rejects(control.book(accountId, stay), /409/)
  const units = await api<unknown[]>('GET', `/listingUnits/${listingId}`)
  assert.equal(units.body.result.length, 3)
})
