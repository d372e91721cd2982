import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { startObserved } from '../../support/observed-inbound.ts'
import { type Fields, newReservation, versionAt } from '../../support/reservation-bodies.ts'

const { system, connection, ...inbound } = await startObserved({ after })

/** A booked reservation, and a way to send its next version. */
async function booked(fields: Fields = {}) {
  const first = newReservation({ updatedOn: versionAt(0), ...fields })
  await inbound.send(first, 'reservation.created')
  let version = 0
  let latest: Fields = first
  const next = (changes: Fields, event?: string) => {
    version += 1
    latest = { ...latest, ...changes, updatedOn: versionAt(version) }
    return inbound.send(latest, event)
  }
  return { id: first.id, next }
}

it('moved dates release the old nights, hold the new ones, and emit one event', async () => {
  const { id, next } = await booked({ listingMapId: 400001 })
  const { outcome } = await next({ arrivalDate: '2027-05-20', departureDate: '2027-05-23' })
  assert.equal(outcome, 'updated')
  const booking = await inbound.booking(id)
  assert.deepEqual([booking.checkIn, booking.checkOut, booking.nights], ['2027-05-20', '2027-05-23', 3])
  assert.equal(await inbound.nights(id), '2027-05-20…2027-05-23')
  assert.deepEqual(
    (await inbound.events(id)).map(({ type, data }) => [type, data.firstNight, data.departure]),
    [
      ['booking.created', undefined, undefined],
      ['availability.blocked', '2027-05-03', '2027-05-07'],
      ['booking.updated', undefined, undefined],
      ['availability.released', '2027-05-03', '2027-05-07'],
      ['availability.blocked', '2027-05-20', '2027-05-23'],
    ],
  )
})

it('the calendar of a unit shows the nights: arrival inclusive, departure exclusive', async () => {
  const { id } = await booked({ arrivalDate: '2027-06-10', departureDate: '2027-06-12' })
  const { body } = await system.api<{ data: Array<{ date: string; booked: boolean; bookingId: string }> }>(
    'GET',
    '/v1/units/hostaway-400001/calendar?tenant=demo&from=2027-06-09&to=2027-06-12',
  )
  const booking = await inbound.booking(id)
  assert.deepEqual(
    body.data.map(({ date, booked: held, bookingId }) => [date, held, bookingId]),
    [
      ['2027-06-09', false, null],
      ['2027-06-10', true, booking.id],
      ['2027-06-11', true, booking.id],
      ['2027-06-12', false, null],
    ],
  )
})

it('a reservation that moves to another listing leaves the old unit', async () => {
  const { id, next } = await booked({ arrivalDate: '2027-07-01', departureDate: '2027-07-04' })
  await next({ listingMapId: 400002 })
  const booking = await inbound.booking(id)
  assert.deepEqual([booking.listingId, booking.unitId], ['400002', 'hostaway-400002'])
  assert.equal((await inbound.block(id))?.unit_id, 'hostaway-400002')
  const units = (await inbound.events(id)).map(({ type, data }) => [type, data.unitId])
  assert.deepEqual(units.slice(-2), [
    ['availability.released', 'hostaway-400001'],
    ['availability.blocked', 'hostaway-400002'],
  ])
})

it('a cancellation frees the nights and keeps the booking; a revival takes them again', async () => {
  const { id, next } = await booked({ arrivalDate: '2027-08-01', departureDate: '2027-08-04' })
  assert.equal((await next({ status: 'cancelled' }, 'reservation.cancelled')).outcome, 'cancelled')
  assert.deepEqual(
    [(await inbound.booking(id)).status, (await inbound.booking(id)).checkIn, await inbound.nights(id)],
    ['cancelled', '2027-08-01', undefined],
  )
  await next({ status: 'modified' })
  assert.equal((await inbound.booking(id)).status, 'confirmed')
  assert.equal(await inbound.nights(id), '2027-08-01…2027-08-04')
  assert.deepEqual(await inbound.eventTypes(id), [
    'booking.created',
    'availability.blocked',
    'booking.cancelled',
    'availability.released',
    'booking.updated',
    'availability.blocked',
  ])
})

it('cancelled by status, whatever the event is called', async () => {
  const { id, next } = await booked({ arrivalDate: '2027-08-11', departureDate: '2027-08-14' })
  await next({ status: 'cancelled' }, 'reservation.updated')
  assert.equal((await inbound.booking(id)).status, 'cancelled')
  const other = await booked({ arrivalDate: '2027-08-21', departureDate: '2027-08-24' })
  await other.next({ status: 'modified' }, 'reservation.cancelled')
  assert.equal((await inbound.booking(other.id)).status, 'confirmed')
})

it('an invisible change is stored and emits no event', async () => {
  const { id, next } = await booked({ arrivalDate: '2027-09-01', departureDate: '2027-09-04' })
  const emitted = await inbound.eventTypes(id)
  await next({ isStarred: 1, hostNote: 'Late arrival' })
  assert.deepEqual(await inbound.eventTypes(id), emitted)
  assert.equal((await inbound.booking(id)).sourceUpdatedAt, '2026-01-10T09:00:01.000Z')
})

it('without dates there is a booking and no block; dates that come later are held', async () => {
  const { id, next } = await booked({
    isDatesUnspecified: 1,
    arrivalDate: '2027-01-09',
    departureDate: '2027-01-09',
  })
  const booking = await inbound.booking(id)
  assert.deepEqual([booking.checkIn, booking.checkOut, booking.nights], [null, null, null])
  assert.equal(await inbound.nights(id), undefined)
  await next({ isDatesUnspecified: 0, arrivalDate: '2027-10-01', departureDate: '2027-10-03' })
  assert.equal(await inbound.nights(id), '2027-10-01…2027-10-03')
  await next({ isDatesUnspecified: 1, arrivalDate: '2027-01-09', departureDate: '2027-01-09' })
  assert.equal(await inbound.nights(id), undefined)
  assert.equal((await inbound.booking(id)).checkIn, null)
})

it('dates without the flag end "without dates" for good', async () => {
  const { id } = await booked({
    isDatesUnspecified: 1,
    arrivalDate: '2027-01-09',
    departureDate: '2027-01-09',
  })
  const dates = { arrivalDate: '2027-10-11', departureDate: '2027-10-13' }
  await inbound.send({ id, ...dates, updatedOn: versionAt(1) })
  assert.equal(await inbound.nights(id), '2027-10-11…2027-10-13')
  await inbound.send({ id, guestName: 'Ada Renamed', updatedOn: versionAt(2) })
  assert.equal(await inbound.nights(id), '2027-10-11…2027-10-13')
})

it('amounts are in the minor units of their currency', async () => {
  const amountOf = async (fields: Fields) => (await inbound.booking((await booked(fields)).id)).amount
  assert.deepEqual(await amountOf({ listingMapId: 400004, totalPrice: 48_000.5, currency: 'JPY' }), {
    total: '48001',
    minor: 48_001,
    currency: 'JPY',
  })
  assert.deepEqual(await amountOf({ listingMapId: 400005, totalPrice: '120.1235', currency: 'KWD' }), {
    total: '120.124',
    minor: 120_124,
    currency: 'KWD',
  })
  assert.deepEqual(await amountOf({ listingMapId: 400002, totalPrice: 111, currency: 'eur' }), {
    total: '111.00',
    minor: 11_100,
    currency: 'EUR',
  })
  assert.deepEqual(await amountOf({ listingMapId: 400006, totalPrice: 10.005, currency: undefined }), {
    total: '10.01',
    minor: 1_001,
    currency: 'USD',
  })
})

it('the timeline of a booking tells receipt, processing, storing and publication', async () => {
  const { id, next } = await booked({ arrivalDate: '2027-11-01', departureDate: '2027-11-04' })
  await next({ status: 'cancelled' })
  const booking = await inbound.booking(id)
  const { body } = await system.api<{ timeline: Array<{ at: string; step: string; detail: string }> }>(
    'GET',
    `/v1/bookings/${booking.id}`,
  )
  const steps = body.timeline.map(({ step, detail }) => `${step} ${detail}`)
  for (const entry of [
    'received reservation.created',
    'processed created',
    'stored booking created',
    'published booking.created',
    'received reservation.updated',
    'processed cancelled',
    'published booking.cancelled',
  ]) {
    assert.ok(steps.includes(entry), `${entry} is not among ${steps.join(', ')}`)
  }
  assert.deepEqual(
    body.timeline.map(({ at }) => at),
    body.timeline.map(({ at }) => at).toSorted(),
  )
  assert.equal(booking.connectionId, connection.id)
})
