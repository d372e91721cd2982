import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Reservation } from '../../sandbox/reservation-factory.ts'
import { accountId, openSandbox } from './sandbox-fixture.ts'

const stay = { arrivalDate: '2027-06-10', departureDate: '2027-06-13' }

test('a reservation is complete and about as large as a real one', async (t) => {
  const { control, api } = await openSandbox(t)
  const { id } = await control.book(accountId, stay)
  const { text, body } = await api<Reservation>('GET', `/reservations/${id}`)
  assert.equal(Object.keys(body.result).length, 137)
  assert.ok(text.length > 5_000 && text.length < 8_000, `${text.length} bytes`)
  assert.equal(body.result.hostawayReservationId, String(id))
  assert.notEqual(body.result.reservationId, String(id))
  assert.equal(body.result.financeField.length, 3)
  assert.equal(body.result.nights, 3)
  assert.equal(body.result.ccNumber, null)
  assert.ok(text.includes('https:\\/\\/'))
})

test('amounts follow the currency: none, two or three decimals', async (t) => {
  const { control } = await openSandbox(t)
  const { listings } = await control.state(accountId)
  const decimals: Record<string, number> = { EUR: 2, USD: 2, JPY: 0, KWD: 3 }
  assert.equal(listings.length, 6)
  for (const { listing } of listings) {
    const { totalPrice, currency } = await control.book(accountId, { ...stay, listingMapId: listing.id })
    assert.equal(currency, listing.currencyCode)
    assert.equal(Number(totalPrice?.toFixed(decimals[currency])), totalPrice)
  }
})

test('card fields carry test numbers when that is asked for', async (t) => {
  const { control, api } = await openSandbox(t)
  const { id } = await control.book(accountId, { ...stay, withCard: true })
  const { body } = await api<Reservation>('GET', `/reservations/${id}`)
  assert.equal(body.result.ccNumber, '4111111111111111')
  assert.equal(body.result.cvc, '123')
})

test('what needs includeResources is empty without it', async (t) => {
  const { control, api } = await openSandbox(t)
  const multiUnit = (await control.state(accountId)).listings.find(({ units }) => units.length === 3)
  const { id } = await control.book(accountId, {
    ...stay,
    listingMapId: multiUnit?.listing.id ?? 0,
    customFieldValues: [{ customFieldId: 7, value: 'sea view' }],
  })
  const plain = (await api<Reservation[]>('GET', '/reservations')).body.result[0]
  const full = (await api<Reservation[]>('GET', '/reservations?includeResources=1')).body.result[0]
  assert.deepEqual([plain?.customFieldValues, plain?.reservationUnit, plain?.hostProxyEmail], [[], [], null])
  assert.equal(full?.customFieldValues.length, 1)
  assert.equal(full?.reservationUnit[0]?.reservationId, id)
  const single = (await api<Reservation>('GET', `/reservations/${id}`)).body.result
  assert.equal(plain?.cancellationPolicyDetails, null)
  assert.notEqual(single.cancellationPolicyDetails, null)
})

test('every change makes updatedOn strictly newer, unless an equal one is asked for', async (t) => {
  const { control } = await openSandbox(t)
  const { id, updatedOn } = await control.book(accountId, stay)
  const seen = [updatedOn]
  for (let round = 0; round < 5; round += 1) {
    seen.push((await control.change(accountId, id, { guestNote: `round ${round}` })).updatedOn)
  }
  assert.deepEqual(seen, [...new Set(seen)].sort())
  const same = await control.change(accountId, id, { guestNote: 'later', keepUpdatedOn: true })
  assert.equal(same.updatedOn, seen.at(-1))
})

test('lists come newest change first, echo the limit, and leave out page information unless switched on', async (t) => {
  const { control, api } = await openSandbox(t)
  const made = await control.randomBookings(accountId, { count: 7 })
  const first = made[0]?.id ?? 0
  await control.change(accountId, first, { guestNote: 'hello' })
  const { body } = await api<Reservation[]>('GET', '/reservations?limit=3')
  assert.equal(body.result[0]?.id, first)
  assert.deepEqual([body.count, body.limit, body.offset], [7, 3, null])
  assert.ok(!('page' in body) && !('totalPages' in body))
  const expected = body.result
    .map(({ updatedOn, id }) => `${updatedOn} ${id}`)
    .toSorted()
    .toReversed()
  assert.deepEqual(
    body.result.map(({ updatedOn, id }) => `${updatedOn} ${id}`),
    expected,
  )
  await control.setSwitches({ pageInfo: true })
  const paged = await api<Reservation[]>('GET', '/reservations?limit=3&offset=3')
  assert.deepEqual([paged.body.page, paged.body.totalPages, paged.body.offset], [2, 3, 3])
})

test('afterId walks through everything and ends with an empty page, also when the cursor was removed', async (t) => {
  const { control, api } = await openSandbox(t)
  const made = await control.randomBookings(accountId, { count: 10 })
  const seen: number[] = []
  let path = '/reservations?limit=4'
  for (;;) {
    const { result } = (await api<Reservation[]>('GET', path)).body
    if (result.length === 0) break
    seen.push(...result.map(({ id }) => id))
    const last = result.at(-1)?.id ?? 0
    if (seen.length === 4) await control.remove(accountId, last)
    path = `/reservations?limit=4&offset=0&afterId=${last}`
  }
  assert.equal(seen.length, 10)
  assert.deepEqual(
    seen.toSorted(),
    made.map(({ id }) => id),
  )
})

test('the documented filters narrow the list, and an unknown order is refused', async (t) => {
  const { control, api } = await openSandbox(t)
  const { listings } = await control.state(accountId)
  const [one, two] = listings.map(({ listing }) => listing.id)
  await control.book(accountId, { ...stay, listingMapId: one ?? 0, channelId: 2005, guestName: 'Ada Lind' })
  await control.book(accountId, {
    arrivalDate: '2027-08-01',
    departureDate: '2027-08-04',
    listingMapId: two ?? 0,
  })
  const count = async (query: string) => (await api('GET', `/reservations?${query}`)).body.count
  assert.equal(await count(''), 2)
  assert.equal(await count(`listingId=${one}`), 1)
  assert.equal(await count('channelId=2005'), 1)
  assert.equal(await count('match=ada'), 1)
  assert.equal(await count('arrivalStartDate=2027-07-01'), 1)
  assert.equal(await count('departureStartDate=2027-06-13&departureEndDate=2027-06-13'), 1)
  assert.equal(await count('latestActivityStart=2999-01-01'), 0)
  const oldest = await api<Reservation[]>('GET', '/reservations?sortOrder=arrivalDateDesc')
  assert.equal(oldest.body.result[0]?.arrivalDate, '2027-08-01')
  assert.equal((await api('GET', '/reservations?sortOrder=sideways')).body.status, 'fail')
})

test('through the API a stay is created, moved, noted, cancelled and removed', async (t) => {
  const { control, api } = await openSandbox(t)
  const listingMapId = (await control.state(accountId)).listings[0]?.listing.id
  const created = await api<Reservation>('POST', '/reservations', {
    ...stay,
    listingMapId,
    channelId: 2000,
    guestName: 'Ada Lind',
    isPaid: 1,
    totalPrice: 300,
    numberOfGuests: 2,
    adults: 2,
  })
  const { id } = created.body.result
  assert.equal(created.body.result.status, 'new')
  assert.equal(created.body.result.isPaid, null)
  assert.equal(created.body.result.guestEmail, null)
  const { numberOfGuests, adults, children } = created.body.result
  assert.deepEqual([numberOfGuests, adults, children], [2, 2, 0], 'no guest is made up')
  const overlapping = await api('POST', '/reservations', { ...stay, listingMapId, channelId: 2000 })
  assert.equal(overlapping.body.status, 'fail')
  const forced = await api('POST', '/reservations?forceOverbooking=1', {
    ...stay,
    listingMapId,
    channelId: 2000,
  })
  assert.equal(forced.body.status, 'success')
  assert.equal((await api('POST', '/reservations', { ...stay, listingMapId, channelId: 2018 })).status, 422)

  const moved = await api<Reservation>('PUT', `/reservations/${id}`, {
    arrivalDate: '2027-07-01',
    departureDate: '2027-07-05',
    status: 'new',
  })
  assert.deepEqual(
    [moved.body.result.status, moved.body.result.nights, moved.body.result.previousArrivalDate],
    ['modified', 4, '2027-06-10'],
  )
  assert.equal(moved.body.result.totalPrice, 300)
  assert.equal((await api('PUT', `/reservations/${id}`, { listingMapId: 1 })).body.status, 'fail')

  const cancelled = await api<Reservation>('PUT', `/reservations/${id}/statuses/cancelled`, {
    cancelledBy: 'host',
  })
  assert.deepEqual([cancelled.body.result.status, cancelled.body.result.cancelledBy], ['cancelled', 'host'])
  assert.notEqual(cancelled.body.result.cancellationDate, null)
  assert.deepEqual((await api('DELETE', `/reservations/${id}`)).body, { status: 'success', result: [] })
  const gone = await api('GET', `/reservations/${id}`)
  assert.deepEqual([gone.status, gone.body.message], [404, 'Resource not found'])
})

test('finance rows that are not sent are deleted', async (t) => {
  const { control, api } = await openSandbox(t)
  const { id, financeField } = await control.book(accountId, stay)
  const kept = financeField[0]
  const { body } = await api<Reservation>('PUT', `/reservations/${id}`, {
    financeField: [{ id: kept?.id, name: kept?.name, total: 12 }],
  })
  assert.equal(body.result.financeField.length, 1)
  assert.equal(body.result.financeField[0]?.total, 12)
  assert.equal(body.result.financeField[0]?.title, kept?.title)
})

test('accounts see their own data only', async (t) => {
  const { control, connect } = await openSandbox(t)
  await control.addAccount({ accountId: 20_002, apiKey: 'other', listings: [{ name: 'Barn' }] })
  const other = await connect(20_002, 'other')
  const { id } = await control.book(accountId, stay)
  assert.equal((await other('GET', '/reservations')).body.count, 0)
  assert.equal((await other('GET', `/reservations/${id}`)).status, 404)
  assert.equal((await other('GET', '/listings')).body.count, 1)
})
