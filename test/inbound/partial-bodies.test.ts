import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { sandboxAccount } from '../support/test-system.ts'
import { type Fields, newReservationId, reservationBody, versionAt } from './made-up-bodies.ts'
import { startObserved } from './observed-inbound.ts'

const { system, connection: _connection, ...inbound } = await startObserved({ after })
const { accountId } = sandboxAccount

it('a field that is left out keeps what is stored, a null clears it', async () => {
  const { id } = await sent(reservationBody({ updatedOn: versionAt(0) }))
  await inbound.send({ id, totalPrice: 99.9, guestEmail: null, phone: '', updatedOn: versionAt(1) })
  const booking = await inbound.booking(id)
  assert.deepEqual(booking.guest, { name: 'Ada Example', email: null, phone: null })
  assert.deepEqual(booking.amount, { total: '99.90', minor: 9_990, currency: 'EUR' })
  assert.equal(booking.status, 'confirmed')
  assert.equal(await inbound.nights(id), '2027-05-03…2027-05-07')
  await inbound.send({ id, departureDate: '2027-05-06', updatedOn: versionAt(2) })
  const later = await inbound.booking(id)
  assert.deepEqual([later.checkOut, later.guest.email, later.amount.minor], ['2027-05-06', null, 9_990])
})

it('a null where a booking needs a value leaves the booking and asks a person', async () => {
  const { id } = await sent(reservationBody({ updatedOn: versionAt(0) }))
  const webhook = await inbound.send({ id, departureDate: null, updatedOn: versionAt(1) })
  assert.equal(webhook.status, 'queued')
  assert.equal((await inbound.booking(id)).checkOut, '2027-05-07')
  assert.equal(await inbound.nights(id), '2027-05-03…2027-05-07')
  assert.deepEqual(
    (await inbound.queued(id))?.problems.map(({ field }) => field),
    ['departureDate'],
  )
})

it('a part that repairs what was missing makes the booking', async () => {
  const { id } = await sent(reservationBody({ departureDate: undefined, updatedOn: versionAt(0) }))
  assert.equal((await inbound.queued(id))?.status, 'pending')
  await inbound.send({ id, departureDate: '2027-05-09', updatedOn: versionAt(1) })
  assert.equal((await inbound.booking(id)).checkOut, '2027-05-09')
  assert.equal((await inbound.queued(id))?.status, 'imported')
  assert.equal(await inbound.nights(id), '2027-05-03…2027-05-09')
})

it('what could not be read stays a problem until it is said anew', async () => {
  const { id } = await sent(reservationBody({ totalPrice: 'plenty', updatedOn: versionAt(0) }))
  await inbound.send({ id, guestName: 'Ada Renamed', updatedOn: versionAt(1) })
  assert.deepEqual(await inbound.bookings(id), [])
  assert.deepEqual(
    (await inbound.queued(id))?.problems.map(({ field }) => field),
    ['totalPrice'],
  )
  await inbound.send({ id, totalPrice: 50, updatedOn: versionAt(2) })
  assert.equal((await inbound.booking(id)).amount.minor, 5_000)
})

it('a part is laid over the newest version, also where that one could not be mapped', async () => {
  const { id } = await sent(reservationBody({ updatedOn: versionAt(0) }))
  await inbound.send({ id, guestName: 'Ada Renamed', departureDate: '2027-05-01', updatedOn: versionAt(1) })
  await inbound.send({ id, departureDate: '2027-05-08', updatedOn: versionAt(2) })
  const booking = await inbound.booking(id)
  assert.deepEqual([booking.guest.name, booking.checkOut], ['Ada Renamed', '2027-05-08'])
})

it('empty lists of a webhook do not take away units; those of a complete answer do', async () => {
  const reservation: Fields & { id: number } = await system.control.book(accountId, {
    silent: true,
    listingMapId: 400003,
  })
  const units = [
    { id: 1, listingUnitId: 1 },
    { id: 2, listingUnitId: 2 },
  ]
  await sent({ ...reservation, reservationUnit: units, updatedOn: versionAt(0) })
  assert.equal((await inbound.booking(reservation.id)).units, 2)
  await sent({ ...reservation, reservationUnit: [], updatedOn: versionAt(1) })
  assert.equal((await inbound.booking(reservation.id)).units, 2)

  await system.control.change(accountId, reservation.id, {
    silent: true,
    reservationUnit: [],
    updatedOn: versionAt(2),
  })
  await inbound.deliver({
    event: 'reservation.updated',
    object: 'reservation',
    objectId: reservation.id,
    accountId,
  })
  assert.equal((await inbound.booking(reservation.id)).units, 1)
  await inbound.send({ id: reservation.id, guestName: 'Ada Renamed', updatedOn: versionAt(3) })
  assert.equal((await inbound.booking(reservation.id)).units, 1)
})

it('a part of a reservation nobody has seen waits with all that is missing', async () => {
  const id = newReservationId()
  await inbound.send({ id, totalPrice: 10, updatedOn: versionAt(0) })
  assert.deepEqual(
    (await inbound.queued(id))?.problems.map(({ field, code }) => [field, code]),
    [
      ['status', 'missing'],
      ['listingMapId', 'missing'],
      ['arrivalDate', 'missing'],
      ['departureDate', 'missing'],
    ],
  )
})

async function sent<Body extends Fields>(body: Body): Promise<Body> {
  await inbound.send(body)
  return body
}
