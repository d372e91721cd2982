import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ParsedReservation, Reservation } from '../../../src/channels/contract/reservation.ts'
import { parseReservation, reservationFormat } from '../../../src/channels/hostaway/wire/wire-reservation.ts'
import { reservationBody } from '../../support/reservation-bodies.ts'

function parsed(result: ParsedReservation): Reservation {
  assert.ok(result.reservation, JSON.stringify(result.problems))
  return result.reservation
}

const parse = (changes: Record<string, unknown>) => parsed(parseReservation(reservationBody(changes)))
const problemsOf = (changes: Record<string, unknown>) =>
  parse(changes).problems.map(({ field, code }) => `${field} ${code}`)

test('a complete body is read without problems', () => {
  const { source, format, ...reservation } = parse({})
  assert.equal(format, reservationFormat)
  assert.deepEqual(reservation, {
    id: '700001',
    listingId: '8001',
    status: 'new',
    bookingStatus: 'confirmed',
    arrivalDate: '2027-03-27',
    departureDate: '2027-03-30',
    datesUnspecified: false,
    guestName: 'Ines Ferreira',
    guestEmail: 'ines@guest.example',
    phone: '+351900000001',
    numberOfGuests: 3,
    adults: 2,
    children: 1,
    infants: null,
    pets: 0,
    totalPrice: '412.5',
    currency: 'EUR',
    channelName: 'airbnbOfficial',
    channelId: '2018',
    confirmationCode: 'HMTEST42',
    hostNote: undefined,
    marker: undefined,
    unitCount: 1,
    units: undefined,
    updatedOn: new Date('2026-01-03T11:22:33Z'),
    insertedOn: new Date('2026-01-02T10:00:00Z'),
    customFieldValues: [{ id: 1, customFieldId: 55, value: 'late arrival' }],
    financeFields: [
      { id: 11, name: 'baseRate', total: 380, updatedOn: '2026-01-02 10:00:00' },
      { id: 12, name: 'cleaningFee', total: 32.5, updatedOn: '2026-01-02 10:00:00' },
    ],
    isComplete: false,
    problems: [],
  })
  assert.equal(source.doorCode, null)
  for (const field of ['ccNumber', 'ccName', 'cvc']) assert.equal(source[field] ?? null, null)
})

test('every spelling in use is read, and a value wins over a null under another spelling', () => {
  const { id, listingMapId, arrivalDate, departureDate, phone, insertedOn, ...rest } = reservationBody()
  const others = {
    listingId: listingMapId,
    checkIn: arrivalDate,
    checkOut: departureDate,
    guestPhone: phone,
    createdAt: insertedOn,
  }
  const reservation = parsed(parseReservation({ ...rest, ...others }))
  const { source: _, ...usual } = parse({})
  const { source: __, ...spelled } = reservation
  assert.equal(id, 700_001, 'found under hostawayReservationId')
  assert.deepEqual(spelled, usual)
  assert.equal(parse({ arrivalDate: null, checkIn: '2027-05-01' }).arrivalDate, '2027-05-01')
})

test('an absent key is undefined, null is null', () => {
  const { reservation } = parseReservation({ id: 1, guestName: null, totalPrice: null, arrivalDate: '' })
  assert.ok(reservation)
  assert.equal(reservation.guestName, null)
  assert.equal(reservation.totalPrice, null)
  assert.equal(reservation.arrivalDate, null)
  for (const absent of [
    'departureDate',
    'guestEmail',
    'adults',
    'currency',
    'status',
    'updatedOn',
    'units',
  ] as const) {
    assert.equal(reservation[absent], undefined, absent)
  }
  assert.equal(reservation.bookingStatus, 'unknown')
  assert.equal(reservation.unitCount, 1)
  assert.deepEqual(reservation.problems, [])
})

test('without a usable id there is no reservation, only a problem', () => {
  for (const id of [undefined, null, '', 0, -3, 1.5, 1e300, {}, 'a\nb', 'x'.repeat(129)]) {
    const body = reservationBody({ id, hostawayReservationId: undefined })
    const { reservation, problems } = parseReservation(body)
    assert.equal(reservation, null, String(id))
    assert.deepEqual(
      problems.map(({ field }) => field),
      ['id'],
      String(id),
    )
  }
  for (const data of [null, undefined, 'text', 7, [], [{ id: 1 }]]) {
    assert.equal(parseReservation(data).reservation, null)
  }
})

const meanings: Record<string, string[]> = {
  confirmed: [
    'new',
    'modified',
    'ownerStay',
    'awaitingPayment',
    'awaitingGuestVerification',
    'confirmed',
    'NEW',
  ],
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
  test(`${statuses.join(', ')} mean ${meaning}`, () => {
    for (const status of statuses) {
      assert.equal(parse({ status }).bookingStatus, meaning, status)
      assert.equal(parse({ status }).status, status)
    }
  })
}

test('an unknown status is kept as sent', () => {
  const { status, bookingStatus, problems } = parse({ status: 'teleported' })
  assert.deepEqual(
    { status, bookingStatus, problems },
    { status: 'teleported', bookingStatus: 'unknown', problems: [] },
  )
  assert.equal(parse({ status: 'constructor' }).bookingStatus, 'unknown')
})

test('days are days of the calendar, whatever the time behind them says', () => {
  const days: Array<[unknown, string | null | undefined]> = [
    ['2028-02-29', '2028-02-29'],
    ['2027-03-27 23:59:59', '2027-03-27'],
    ['2027-03-27T23:59:59-11:00', '2027-03-27'],
    ['2027-03-27T00:00:00.000Z', '2027-03-27'],
    ['  2027-03-27 ', '2027-03-27'],
    [' ', null],
    ['2027-02-29', undefined],
    ['2027-04-31', undefined],
    ['0000-00-00', undefined],
    ['2027-13-01', undefined],
    ['2027-3-1', undefined],
    ['27/03/2027', undefined],
    ['2027-03-27 or so', undefined],
    [20_270_327, undefined],
    [{}, undefined],
  ]
  for (const [sent, expected] of days) {
    const { arrivalDate, problems } = parse({ arrivalDate: sent })
    assert.equal(arrivalDate, expected, String(sent))
    assert.equal(problems.length, expected === undefined ? 1 : 0, String(sent))
  }
})

test('unspecified dates are no dates', () => {
  for (const flag of [1, '1', true]) {
    const { arrivalDate, departureDate, datesUnspecified } = parse({ isDatesUnspecified: flag })
    assert.deepEqual([arrivalDate, departureDate, datesUnspecified], [null, null, true])
  }
})

test('amounts are exact decimal text without the noise of floats', () => {
  const amounts: Array<[unknown, string | null | undefined]> = [
    [111, '111'],
    [103.93, '103.93'],
    [0.1 + 0.2, '0.3'],
    [103.93000000000001, '103.93'],
    ['103.90', '103.9'],
    ['0012.5', '12.5'],
    ['1234567890123.45', '1234567890123.45'],
    [-5, '-5'],
    [-0, '0'],
    ['-0.00', '0'],
    [1e-7, '0.0000001'],
    [1e14, '100000000000000'],
    ['', null],
    [JSON.parse('1e400'), undefined],
    [Number.NaN, undefined],
    [1e15, undefined],
    ['1e400', undefined],
    ['1,234.50', undefined],
    ['12 EUR', undefined],
    [true, undefined],
    [[], undefined],
  ]
  for (const [sent, expected] of amounts) {
    const { totalPrice, problems } = parse({ totalPrice: sent })
    assert.equal(totalPrice, expected, String(sent))
    assert.equal(problems.length, expected === undefined ? 1 : 0, String(sent))
  }
})

test('instants are UTC unless they say otherwise', () => {
  const instants: Array<[unknown, string | undefined]> = [
    ['2027-01-03 11:22:33', '2027-01-03T11:22:33.000Z'],
    ['2027-01-03T11:22:33', '2027-01-03T11:22:33.000Z'],
    ['2027-01-03T11:22:33.5+02:00', '2027-01-03T09:22:33.500Z'],
    ['2027-01-03 11:22:33+0200', '2027-01-03T09:22:33.000Z'],
    ['2027-01-03', '2027-01-03T00:00:00.000Z'],
    ['2027-01-03 25:00:00', undefined],
    ['0000-00-00 00:00:00', undefined],
    ['yesterday', undefined],
    [1_800_000_000, undefined],
  ]
  for (const [sent, expected] of instants) {
    assert.equal(parse({ updatedOn: sent }).updatedOn?.toISOString(), expected, String(sent))
  }
  assert.equal(parse({ updatedOn: null }).updatedOn, undefined)
})

test('every wrong type is a problem with the name of the field as it was sent', () => {
  const wrong = {
    listingMapId: {},
    guestName: ['a'],
    guestEmail: false,
    numberOfGuests: 2.5,
    adults: 'two',
    children: -1,
    infants: 3_000_000_000,
    totalPrice: 'free',
    currency: 'euro',
    channelId: 'a b',
    isDatesUnspecified: 'perhaps',
    departureDate: 'soon',
    updatedOn: 'now',
    reservationUnit: 'none',
  }
  assert.deepEqual(problemsOf(wrong).toSorted(), [
    'adults not_a_number',
    'channelId wrong_type',
    'children out_of_range',
    'currency not_a_currency',
    'departureDate not_a_day',
    'guestEmail wrong_type',
    'guestName wrong_type',
    'infants out_of_range',
    'isDatesUnspecified wrong_type',
    'listingMapId wrong_type',
    'numberOfGuests not_a_number',
    'reservationUnit wrong_type',
    'totalPrice not_a_number',
    'updatedOn not_an_instant',
  ])
  assert.deepEqual(problemsOf({ arrivalDate: undefined, checkIn: 'soon' }), ['checkIn not_a_day'])
})

test('numbers may come as text, and codes in small letters', () => {
  const { numberOfGuests, currency, phone } = parse({ numberOfGuests: '4', currency: ' usd', phone: 351_900 })
  assert.deepEqual([numberOfGuests, currency, phone], [4, 'USD', '351900'])
})

test('an empty list of units says nothing unless everything was asked for', () => {
  const units = [{ id: 1 }, { id: 2 }, { id: 3 }]
  assert.equal(parse({ reservationUnit: units }).unitCount, 3)
  assert.equal(parse({ reservationUnit: [] }).units, undefined)
  const asked = parsed(parseReservation(reservationBody({ customFieldValues: [] }), { isComplete: true }))
  assert.deepEqual([asked.units, asked.unitCount, asked.customFieldValues], [[], 1, []])
})

test('the source is kept without card data and as Postgres can store it', () => {
  const { source, guestName, problems } = parse({
    guestName: 'A\u0000nna \ud800',
    ccNumber: '4111111111111111',
    cvc: '123',
    nested: [{ ccExpirationYear: 2030, kept: true, 'na\u0000me': 'x\u0000' }],
    huge: JSON.parse('1e400'),
  })
  const text = JSON.stringify(source)
  assert.equal(guestName, 'Anna \ufffd')
  assert.ok(!/4111|"cvc"|ccExpirationYear|\\u0000|\\ud800/.test(text), text)
  assert.deepEqual(source.nested, [{ kept: true, name: 'x' }])
  assert.equal(source.huge, 'Infinity')
  assert.deepEqual(problems, [])
})

test('what is nested too deeply is cut off with a problem', () => {
  let nested: unknown = 'bottom'
  for (let depth = 0; depth < 100_000; depth += 1) nested = [nested]
  const { source, problems } = parse({ nested })
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['nested_too_deeply'],
  )
  assert.ok(JSON.stringify(source).length < 5_000)
})

test('a name and a number of guests that were left empty come from their parts', () => {
  const parts = { guestFirstName: 'Ana', guestLastName: 'Ruiz' }
  for (const guestName of [null, '', '  ']) assert.equal(parse({ guestName, ...parts }).guestName, 'Ana Ruiz')
  assert.equal(parse({ guestName: null, guestFirstName: null, guestLastName: 'Ruiz' }).guestName, 'Ruiz')
  assert.equal(parse({ guestName: null, guestFirstName: '', guestLastName: null }).guestName, null)
  assert.equal(parse({ guestName: 'Ana R.', ...parts }).guestName, 'Ana R.')
  // A body that is not complete may only lack the whole.
  assert.equal(parse({ guestName: undefined, ...parts }).guestName, undefined)
  assert.equal(parse({ numberOfGuests: null, adults: 2, children: 1 }).numberOfGuests, 3)
  assert.equal(parse({ numberOfGuests: null, adults: null, children: 1 }).numberOfGuests, null)
  assert.equal(parse({ phone: '', guestPhone: '+34600' }).phone, '+34600')
})

test('a status is known in each of its spellings', () => {
  for (const status of ['canceled', 'Cancelled', 'CANCELED'])
    assert.equal(parse({ status }).bookingStatus, 'cancelled')
  for (const status of ['owner_stay', 'Owner Stay'])
    assert.equal(parse({ status }).bookingStatus, 'confirmed')
})
