import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { compareReservation } from '../../chaos/compare-reservation.ts'

type Facts = Parameters<typeof compareReservation>[0]

const first = {
  id: 7,
  status: 'new',
  arrivalDate: '2027-03-01',
  departureDate: '2027-03-04',
  guestName: 'Ines',
  numberOfGuests: 2,
  totalPrice: 300,
  updatedOn: '2026-11-20 10:00:00',
}
const second = { ...first, numberOfGuests: 3, updatedOn: '2026-11-20 10:00:05' }

function delivery(id: number, data: typeof first | undefined, status: number): Facts['deliveries'][number] {
  const attempt = { at: '2026-11-20T10:00:00.000Z', durationMs: 5, status, error: null }
  return {
    id,
    accountId: 1,
    webhookId: 1,
    event: 'reservation.updated',
    object: 'reservation',
    objectId: 7,
    listingMapId: 1,
    body: JSON.stringify({ data }),
    createdAt: attempt.at,
    state: 'delivered',
    attempts: [attempt],
    repeats: null,
  }
}

const booking: Facts['bookings'][number] = {
  id: 'b',
  external_id: '7',
  status: 'confirmed',
  source_status: 'new',
  check_in: '2027-03-01',
  check_out: '2027-03-04',
  guest_name: 'Ines',
  guests_total: 3,
  amount_total: '300.00',
  version_at: new Date('2026-11-20T10:00:05Z'),
}

const kept: Facts = {
  reservation: second as unknown as Facts['reservation'],
  deliveries: [delivery(1, first, 200), delivery(2, second, 200)],
  notices: new Map(),
  bookings: [booking],
  nights: [{ external_id: '7', first_night: '2027-03-01', departure: '2027-03-04' }],
  events: ['booking.created', 'booking.updated'],
  isVisible: false,
}

const older = { ...booking, guests_total: 2, version_at: new Date('2026-11-20T10:00:00Z') }

describe('the kill ledger', () => {
  test('the kill ledger finds nothing wrong with a booking that shows the newest accepted version', () => {
    assert.deepEqual(compareReservation(kept), { wasDelivered: true, doubled: [], lost: [] })
  })

  test('the kill ledger does not ask for a version that was never accepted', () => {
    const deliveries = [delivery(1, first, 200), delivery(2, second, 503)]
    assert.deepEqual(compareReservation({ ...kept, deliveries, bookings: [older] }).lost, [])
    const refused = { ...kept, deliveries: [delivery(1, first, 503)], bookings: [], nights: [], events: [] }
    assert.deepEqual(compareReservation(refused), { wasDelivered: false, doubled: [], lost: [] })
  })

  test('the kill ledger does not ask for a booking where a row waits for a person', () => {
    const waiting = { ...kept, bookings: [], nights: [], events: [], isVisible: true }
    assert.deepEqual(compareReservation(waiting).lost, [])
  })

  const losses: Record<string, Partial<Facts>> = {
    'a reservation that is nowhere': { bookings: [], nights: [], events: [] },
    'an old version over a newer one': { bookings: [older] },
    'a notice that was accepted and not followed': {
      deliveries: [delivery(1, first, 200), delivery(3, undefined, 200)],
      notices: new Map([[3, second.updatedOn]]),
      bookings: [older],
    },
    'other values than the version had': { bookings: [{ ...booking, amount_total: '299.00' }] },
    'nights that are not held': { nights: [] },
    'nights held twice': { nights: [...kept.nights, ...kept.nights] },
    'nights of a cancelled booking': { bookings: [{ ...booking, status: 'cancelled' }] },
    'a booking without an event': { events: [] },
    'a cancellation without an event': {
      bookings: [{ ...booking, status: 'cancelled' }],
      nights: [],
    },
    'a version that never was': { bookings: [{ ...booking, version_at: new Date('2026-11-21T00:00:00Z') }] },
  }
  for (const [name, facts] of Object.entries(losses)) {
    test(`the kill ledger counts as lost: ${name}`, () => {
      assert.notDeepEqual(compareReservation({ ...kept, ...facts }).lost, [])
    })
  }

  const doubles: Record<string, Partial<Facts>> = {
    'two bookings': { bookings: [booking, booking] },
    'two events of its creation': { events: ['booking.created', 'booking.created'] },
    'two events of its cancellation': {
      events: ['booking.created', 'booking.cancelled', 'booking.cancelled'],
    },
  }
  for (const [name, facts] of Object.entries(doubles)) {
    test(`the kill ledger counts as doubled: ${name}`, () => {
      assert.notDeepEqual(compareReservation({ ...kept, ...facts }).doubled, [])
    })
  }
})
