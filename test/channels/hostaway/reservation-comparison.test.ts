import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Reservation } from '../../../src/channels/contract/reservation.ts'
import { sameReservation } from '../../../src/channels/contract/reservation-comparison.ts'
import { mergeReservation as mergeVersions } from '../../../src/channels/contract/reservation-merge.ts'
import { parseReservation } from '../../../src/channels/hostaway/wire/wire-reservation.ts'
import { reservationBody } from '../../support/reservation-bodies.ts'

function parse(body: Record<string, unknown>, isComplete = false): Reservation {
  const { reservation } = parseReservation(body, { isComplete })
  assert.ok(reservation)
  return reservation
}

/** The newer of two versions together with what only the older one says. */
function mergeReservation(older: Reservation, newer: Reservation): Reservation {
  const known = mergeVersions(undefined, { reservation: older, version: '1' })
  return mergeVersions(known, { reservation: newer, version: '2' }).reservation
}

const usual = parse(reservationBody())

function isSame(changes: Record<string, unknown>, base: Record<string, unknown> = {}): boolean {
  const a = parse(reservationBody(base))
  const b = parse(reservationBody(changes))
  const there = sameReservation(a, b)
  assert.equal(sameReservation(b, a), there, 'the order does not matter')
  return there
}

const noDifference: Array<[string, Record<string, unknown>]> = [
  ['the same body', {}],
  [
    'other spellings',
    { phone: undefined, guestPhone: '+351900000001', arrivalDate: undefined, checkIn: '2027-03-27' },
  ],
  ['numbers as text', { id: '700001', totalPrice: '412.50', numberOfGuests: '3' }],
  ['a datetime for a day', { arrivalDate: '2027-03-27 15:00:00' }],
  [
    'bookkeeping',
    { latestActivityOn: '2027-02-01 00:00:00', isStarred: 1, isProcessed: 1, guestPortalUrl: 'x' },
  ],
  ['rows in another order', { financeField: (reservationBody().financeField as unknown[]).toReversed() }],
  ['absent keys', { guestEmail: undefined, financeField: undefined, doorCode: undefined }],
  ['lists left out', { customFieldValues: [], financeField: [] }],
  ['what is sent on request only', { hostProxyEmail: 'a@b.example', bookingcomBookerName: 'B' }],
]
for (const [name, changes] of noDifference) {
  test(`${name} is no difference`, () => assert.ok(isSame(changes)))
}

const differences: Record<string, unknown>[] = [
  { status: 'modified' },
  { arrivalDate: '2027-03-28' },
  { departureDate: null },
  { isDatesUnspecified: 1 },
  { listingMapId: 8_002 },
  { guestName: 'Ines F.' },
  { phone: null },
  { totalPrice: 412.51 },
  { currency: 'USD' },
  { doorCode: '1234' },
  { adults: 3 },
  { customFieldValues: [{ id: 1, customFieldId: 55, value: 'early arrival' }] },
  { financeField: [{ id: 11, name: 'baseRate', total: 380 }] },
]
for (const change of differences) {
  test(`${JSON.stringify(change)} is a difference`, () => assert.ok(!isSame(change)))
}

test('another number of units is a difference', () => {
  assert.ok(!isSame({ reservationUnit: [{ id: 1 }, { id: 2 }] }, { reservationUnit: [{ id: 1 }] }))
  assert.ok(isSame({ reservationUnit: [{ id: 1 }, { id: 2 }] }, { reservationUnit: [] }))
})

test('an empty list that was asked for is a difference to rows', () => {
  const asked = parse(reservationBody({ customFieldValues: [], reservationFees: [] }), true)
  assert.ok(!sameReservation(usual, asked))
  const fees = parse(reservationBody({ reservationFees: [{ id: 1 }] }))
  assert.ok(!sameReservation(fees, parse(reservationBody({ reservationFees: [] }), true)))
})

test('a partial body is filled up with what the older one says', () => {
  const older = parse(reservationBody({ reservationUnit: [{ id: 1 }, { id: 2 }] }))
  const newer = parse({
    id: 700_001,
    status: 'cancelled',
    guestEmail: null,
    updatedOn: '2027-01-04 00:00:00',
  })
  const merged = mergeReservation(older, newer)
  assert.equal(merged.status, 'cancelled')
  assert.equal(merged.bookingStatus, 'cancelled')
  assert.equal(merged.guestEmail, null)
  assert.equal(merged.guestName, 'Ines Ferreira')
  assert.equal(merged.arrivalDate, '2027-03-27')
  assert.equal(merged.unitCount, 2)
  assert.equal(merged.updatedOn?.toISOString(), '2027-01-04T00:00:00.000Z')
  assert.equal(merged.source.guestName, 'Ines Ferreira')
  assert.equal(merged.source.status, 'cancelled')
})

test('a body without a status keeps the older one, without dates keeps theirs', () => {
  const older = parse(reservationBody({ isDatesUnspecified: 1, status: 'inquiry' }))
  const merged = mergeReservation(older, parse({ id: 700_001, guestName: 'New' }))
  assert.deepEqual(
    [merged.bookingStatus, merged.datesUnspecified, merged.arrivalDate],
    ['inquiry', true, null],
  )
  const dated = mergeReservation(
    older,
    parse({ id: 700_001, arrivalDate: '2027-04-01', departureDate: '2027-04-02' }),
  )
  assert.deepEqual([dated.datesUnspecified, dated.arrivalDate], [false, '2027-04-01'])
})

test('what was merged reads the same when its source is read again', () => {
  const older = parse(reservationBody({ reservationUnit: [{ id: 1 }, { id: 2 }] }))
  const bodies: Array<[Record<string, unknown>, boolean]> = [
    [{ id: 700_001, checkIn: '2027-04-01', checkOut: '2027-04-05', guestPhone: '+1', listingId: 9 }, false],
    [reservationBody({ reservationUnit: [], financeField: [], customFieldValues: [] }), false],
    [reservationBody({ reservationUnit: [], financeField: [] }), true],
    [{ id: 700_001, isDatesUnspecified: 1 }, false],
  ]
  for (const [body, isComplete] of bodies) {
    const merged = mergeReservation(older, parse(body, isComplete))
    const { source: _, ...again } = parse(merged.source, isComplete)
    const { source: __, ...expected } = merged
    assert.deepEqual({ ...again, isComplete: merged.isComplete }, expected)
  }
})

test('lists and fields that were left out do not overwrite stored ones', () => {
  const older = parse(
    reservationBody({ hostProxyEmail: 'proxy@x.example', reservationFees: [{ id: 3 }] }),
    true,
  )
  const merged = mergeReservation(older, parse(reservationBody({ customFieldValues: [] })))
  assert.equal(merged.customFieldValues?.length, 1)
  assert.deepEqual(merged.source.reservationFees, [{ id: 3 }])
  assert.equal(merged.source.hostProxyEmail, 'proxy@x.example')
  const emptied = mergeReservation(older, parse(reservationBody({ customFieldValues: [] }), true))
  assert.deepEqual(emptied.customFieldValues, [])
  assert.deepEqual(emptied.source.reservationFees, [])
})
