import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { withoutCardData } from '../../../src/channels/contract/card-data.ts'
import { sameReservation } from '../../../src/channels/contract/reservation-comparison.ts'
import { compareFields, mergeReservation } from '../../../src/channels/contract/reservation-merge.ts'
import {
  explanationOf,
  parseEnvelope,
  parseIssuedToken,
} from '../../../src/channels/hostaway/wire/envelope.ts'
import { parseWebhookBody } from '../../../src/channels/hostaway/wire/webhook-envelope.ts'
import { parseWebhookRegistration } from '../../../src/channels/hostaway/wire/webhook-registration.ts'
import { parseCalendar } from '../../../src/channels/hostaway/wire/wire-calendar.ts'
import { parseListing, parseListingUnits } from '../../../src/channels/hostaway/wire/wire-listing.ts'
import { parseReservation } from '../../../src/channels/hostaway/wire/wire-reservation.ts'
import { reservationBody } from '../../support/reservation-bodies.ts'

const names = [
  ...Object.keys(reservationBody()),
  '__proto__',
  'constructor',
  'toString',
  'data',
  'payload',
  'event',
  'accountId',
  'objectId',
  'timestamp',
  'result',
  'checkIn',
  'timeZoneName',
  'listingUnits',
  'price',
  'date',
]

const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    1,
    -1,
    Number.POSITIVE_INFINITY,
    Number.MIN_VALUE,
    '',
    '2027-03-27',
    '2027-03-27 10:00:00',
    'new',
    '1.5',
  ),
  fc.double(),
  fc.string({ unit: 'binary' }),
)
const { body: anyBody } = fc.letrec<{ body: unknown }>((tie) => ({
  body: fc.oneof(
    { maxDepth: 4, depthSize: 'medium' },
    leaf,
    fc.array(tie('body'), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.constantFrom(...names), tie('body')), { maxLength: 12 })
      // As JSON.parse does it: also `__proto__` is a field of its own.
      .map((entries) => Object.fromEntries(entries)),
  ),
}))
const anything = fc.oneof(
  anyBody,
  fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withMap: true }),
)

test('no parser throws or touches a prototype, whatever it is fed', () => {
  const before = Object.getOwnPropertyNames(Object.prototype).join()
  fc.assert(
    fc.property(anything, anything, (value, other) => {
      parseWebhookBody(value)
      withoutCardData(value)
      parseListing(value)
      parseListingUnits(value)
      parseCalendar(value)
      parseWebhookRegistration(value)
      const { reservation } = parseReservation(value)
      const { reservation: another } = parseReservation(other, { isComplete: true })
      if (reservation !== null && another !== null) {
        sameReservation(reservation, another)
        const known = mergeReservation(undefined, { reservation, version: '1' })
        for (const version of ['0', '1', '2']) {
          compareFields(known, { reservation: another, version })
          mergeReservation(known, { reservation: another, version })
        }
      }
      assert.equal(Object.getOwnPropertyNames(Object.prototype).join(), before)
      assert.equal(Object.getPrototypeOf({}), Object.prototype)
    }),
    { numRuns: 3_000 },
  )
})

test('a reservation that was read can be stored as text and read again to the same', () => {
  const body = anyBody.map((fields) => ({
    ...reservationBody(),
    ...(typeof fields === 'object' ? fields : {}),
    id: 1,
  }))
  fc.assert(
    fc.property(body, (data) => {
      const { reservation } = parseReservation(data)
      assert.ok(reservation)
      const stored: unknown = JSON.parse(JSON.stringify(reservation.source))
      const { reservation: again } = parseReservation(stored)
      assert.ok(again)
      assert.ok(sameReservation(reservation, again) && sameReservation(again, reservation))
      assert.ok(!/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(reservation)))
    }),
    { numRuns: 1_000 },
  )
})

test('rows whose ids cannot be turned into text are compared like any other', () => {
  const rows = [{ total: 2 }, { id: { toString: null } }]
  const data = reservationBody({ financeField: rows, reservationUnit: rows, customFieldValues: rows })
  const { reservation } = parseReservation(data)
  assert.ok(reservation)
  assert.ok(sameReservation(reservation, reservation))
})

test('no text of an answer makes the envelope throw', () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    anyBody.map((body) => JSON.stringify(body) ?? ''),
  )
  fc.assert(
    fc.property(text, (answer) => {
      parseEnvelope(answer)
      explanationOf(answer)
      parseIssuedToken(answer)
    }),
    { numRuns: 1_000 },
  )
})

test('card data is gone wherever it was, everything else is as before', () => {
  const card = { ccNumber: '4111', cvc: 1, ccName: 'A', ccExpirationYear: 2030, ccExpirationMonth: 1 }
  const body = { data: { id: 1, ...card, list: [[{ cvc: '2', kept: 1 }]] }, other: null }
  const { body: cleaned, found } = withoutCardData(body)
  assert.ok(found)
  assert.deepEqual(cleaned, { data: { id: 1, list: [[{ kept: 1 }]] }, other: null })
  assert.equal(body.data.ccNumber, '4111', 'the original is not changed')
})

test('a body whose card fields are empty is passed on untouched', () => {
  const body = { data: { ccNumber: null, cvc: null } }
  const cleaned = withoutCardData(body)
  assert.deepEqual([cleaned.body === body, cleaned.found], [true, false])
})

test('a body of half a million brackets does not overflow the stack', () => {
  const depth = 500_000
  const body: unknown = JSON.parse(`${'['.repeat(depth)}{"cvc":"1"}${']'.repeat(depth)}`)
  assert.equal(withoutCardData(body).found, true)
})
