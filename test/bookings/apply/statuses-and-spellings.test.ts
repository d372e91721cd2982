import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { announcementOf, startObserved } from '../../support/observed-inbound.ts'
import { type Fields, newReservation, newReservationId, versionAt } from '../../support/reservation-bodies.ts'
import { sandboxAccount } from '../../support/test-system.ts'

const { system, connection: _connection, ...inbound } = await startObserved({ after })
const { accountId } = sandboxAccount

const meanings: Record<string, string[]> = {
  confirmed: ['new', 'modified', 'ownerStay', 'awaitingPayment', 'awaitingGuestVerification', 'confirmed'],
  pending: ['pending', 'unconfirmed'],
  cancelled: ['cancelled', 'declined', 'expired'],
  inquiry: [
    'inquiry',
    'inquiryPreapproved',
    'inquiryDenied',
    'inquiryTimedout',
    'inquiryNotPossible',
    'unknown',
  ],
}

for (const [meaning, statuses] of Object.entries(meanings)) {
  const holds = meaning === 'confirmed' || meaning === 'pending'
  it(`${statuses.join(', ')} are ${meaning} and ${holds ? 'hold' : 'do not hold'} their nights`, async () => {
    for (const status of statuses) {
      const body = newReservation({ status, listingMapId: 400002 })
      await inbound.send(body)
      const booking = await inbound.booking(body.id)
      assert.deepEqual([booking.status, booking.sourceStatus], [meaning, status])
      const block = await inbound.block(body.id)
      assert.equal(block === undefined, !holds, status)
      if (block !== undefined) assert.equal(block.confirmed, meaning === 'confirmed')
      assert.equal(await inbound.queued(body.id), undefined)
    }
  })
}

it('an unknown status holds the nights and waits for a person', async () => {
  const body = newReservation({ status: 'teleported', listingMapId: 400006 })
  const webhook = await inbound.send(body)
  assert.deepEqual([webhook.status, webhook.outcome], ['queued', 'waiting'])
  assert.deepEqual(await inbound.bookings(body.id), [])
  assert.equal(await inbound.nights(body.id), '2027-05-03…2027-05-07')
  const row = await inbound.queued(body.id)
  assert.equal(row?.status, 'pending')
  assert.deepEqual(
    row?.problems.map(({ field, code }) => [field, code]),
    [['status', 'unknown_status']],
  )
  const shown = await system.api<{ data: Array<{ externalId: string; webhookId: string }> }>(
    'GET',
    '/v1/booking-queue?status=pending',
  )
  assert.equal(
    shown.body.data.find(({ externalId }) => externalId === String(body.id))?.webhookId,
    webhook.id,
  )
})

it('ids are compared as text', async () => {
  const id = newReservationId()
  await inbound.send(newReservation({ id: String(id), listingMapId: '400001', updatedOn: versionAt(0) }))
  await inbound.send(newReservation({ id, updatedOn: versionAt(1), guestName: 'The Same' }))
  assert.equal((await inbound.booking(id)).guest.name, 'The Same')
})

it('a body without an id is named by hostawayReservationId', async () => {
  const id = newReservationId()
  await inbound.send(newReservation({ id: undefined, hostawayReservationId: String(id) }))
  assert.equal((await inbound.booking(id)).status, 'confirmed')
})

it('fields are read under every name in use', async () => {
  const id = newReservationId()
  await inbound.send({
    id,
    listingId: 400001,
    status: 'new',
    checkIn: '2028-02-27',
    checkOut: '2028-03-01',
    guestPhone: '+1 555 0100',
    createdAt: '2027-01-01 00:00:00',
    updatedOn: versionAt(0),
  })
  const booking = await inbound.booking(id)
  assert.deepEqual(
    [booking.listingId, booking.checkIn, booking.checkOut, booking.nights, booking.guest.phone],
    ['400001', '2028-02-27', '2028-03-01', 3, '+1 555 0100'],
  )
  // The other name of a field replaces it, it does not stand beside it.
  await inbound.send({ id, departureDate: '2028-03-02', updatedOn: versionAt(1) })
  await inbound.send({ id, guestName: 'Ada', updatedOn: versionAt(2) })
  assert.equal((await inbound.booking(id)).checkOut, '2028-03-02')
})

const envelopes: Record<string, (data: Fields) => Fields> = {
  'object, event, data': (data) => announcementOf(data, 'reservation.created'),
  'event, timestamp, data': (data) => ({
    event: 'reservation.created',
    timestamp: '2027-01-10T09:00:00Z',
    accountId,
    data,
  }),
  'eventType for event': (data) => ({ eventType: 'reservation.updated', accountId, data }),
  'payload.data for data': (data) => ({ event: 'reservation.updated', accountId, payload: { data } }),
  'an event with a space': (data) => ({ event: 'reservation created', accountId, data }),
  'an event in capitals': (data) => ({ event: 'RESERVATION.CREATED', accountId, data }),
  'an account id as text': (data) => ({ event: 'reservation.created', accountId: String(accountId), data }),
}

for (const [spelling, wrap] of Object.entries(envelopes)) {
  it(`an envelope is read that has ${spelling}`, async () => {
    const body = newReservation({ listingMapId: 400003 })
    assert.equal((await inbound.deliver(wrap(body))).outcome, 'created')
    assert.equal((await inbound.booking(body.id)).status, 'confirmed')
  })
}

it('an event without a body is fetched', async () => {
  const reservation = await system.control.book(accountId, { silent: true, guestName: 'Grace Example' })
  const webhook = await inbound.deliver({
    event: 'reservation.created',
    object: 'reservation',
    objectId: reservation.id,
    accountId,
  })
  assert.equal(webhook.outcome, 'created')
  assert.equal((await inbound.booking(reservation.id)).guest.name, 'Grace Example')
  assert.equal((await system.control.calls({ path: `/reservations/${reservation.id}` })).length, 1)
})

it('what is not about reservations is stored and ignored', async () => {
  const events = [
    'message.received',
    'message.created',
    'task.created',
    'task.updated',
    'listing.created',
    'listing.updated',
    'listing.deleted',
    'calendar.updated',
    'review.created',
  ]
  for (const event of events) {
    const webhook = await inbound.deliver({ event, accountId, data: { id: 1, listingMapId: 400001 } })
    assert.deepEqual([webhook.status, webhook.outcome], ['ignored', 'event_not_handled'], event)
  }
  assert.equal((await inbound.deliver({ accountId })).status, 'ignored')
})

it('the same through a guest who writes and a host who plans a task', async () => {
  const reservation = await system.control.book(accountId, { silent: true })
  await system.control.sendMessage(accountId, reservation.id)
  await system.control.createTask(accountId, { title: 'Clean' })
  await system.control.whenDelivered()
  await inbound.settled()
  const { body } = await system.api<{ data: Array<{ sourceEvent: string; status: string }> }>(
    'GET',
    '/v1/webhooks?limit=2',
  )
  assert.deepEqual(body.data.map(({ sourceEvent, status }) => `${sourceEvent} ${status}`).toSorted(), [
    'message.received ignored',
    'task.created ignored',
  ])
})
