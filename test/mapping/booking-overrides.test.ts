import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { parseReservation } from '../../src/channels/hostaway/wire/wire-reservation.ts'
import { draftBooking } from '../../src/mapping/booking-draft.ts'
import {
  applyOverrides,
  type BookingOverrides,
  isOverridden,
  type ManualOverride,
  mergeOverrides,
  noOverrides,
  showOverrides,
} from '../../src/mapping/booking-overrides.ts'
import { readOverrideFields, type Scalar } from '../../src/mapping/override-fields.ts'
import { type Fields, newReservation } from '../support/reservation-bodies.ts'
import { boathouse } from './mapped-reservations.ts'

function drafted(fields: Fields, listing: typeof boathouse | undefined = boathouse) {
  const { reservation } = parseReservation(newReservation(fields))
  assert.ok(reservation)
  return draftBooking(reservation, listing)
}

function said(fields: Record<string, Scalar>, unit?: ManualOverride['unit']): ManualOverride {
  const { said, problems } = readOverrideFields(fields)
  assert.deepEqual(problems, [])
  return { ...said, ...(unit === undefined ? {} : { unit }) }
}

const fieldsOf = (problems: Array<{ field: string }>) => problems.map(({ field }) => field).toSorted()

it('an overridden day is compared with the other day, whatever its source', () => {
  const mapped = drafted({ departureDate: null })
  const early = applyOverrides(
    mapped,
    mergeOverrides(noOverrides, mapped.draft, said({ checkOut: '2027-05-03' })),
  )
  assert.deepEqual(
    early.problems.map(({ code }) => code),
    ['not_after_arrival'],
  )
  const both = said({ checkIn: '2027-05-01', checkOut: '2027-05-03' })
  const mended = applyOverrides(mapped, mergeOverrides(noOverrides, mapped.draft, both))
  assert.deepEqual(mended.problems, [])
  assert.deepEqual([mended.draft.checkIn, mended.draft.checkOut], ['2027-05-01', '2027-05-03'])
})

it('one day of a reservation without dates asks for the other one', () => {
  const mapped = drafted({ isDatesUnspecified: 1 })
  assert.deepEqual(mapped.problems, [])
  const one = applyOverrides(
    mapped,
    mergeOverrides(noOverrides, mapped.draft, said({ checkIn: '2027-05-01' })),
  )
  assert.deepEqual(fieldsOf(one.problems), ['departureDate'])
  assert.equal(one.draft.datesUnspecified, false)
})

it('an amount is rounded anew in a currency that was given', () => {
  const mapped = drafted({ totalPrice: 99.5 })
  const { draft } = applyOverrides(
    mapped,
    mergeOverrides(noOverrides, mapped.draft, said({ currency: 'JPY' })),
  )
  assert.deepEqual([draft.amountTotal, draft.amountMinor, draft.currency], ['100', '100', 'JPY'])
})

it('a reservation that names no listing gets that of its unit, and stays a question where there is none', () => {
  const mapped = drafted({ listingMapId: undefined })
  const known = mergeOverrides(noOverrides, mapped.draft, said({}, { unitId: 'barn', listingId: '8002' }))
  const { draft, problems } = applyOverrides(mapped, known)
  assert.deepEqual([draft.listingId, draft.unitId, problems], ['8002', 'barn', []])
  const unknown = mergeOverrides(noOverrides, mapped.draft, said({}, { unitId: 'barn', listingId: null }))
  assert.deepEqual(fieldsOf(applyOverrides(mapped, unknown).problems), ['listingMapId'])
})

it('a required mapped field that is missing is answered by its name, no other one is', () => {
  const mapped = drafted({})
  const problems = ['fields.team', 'fields.rate'].map((field) => ({ field, code: 'missing', message: 'x' }))
  const overrides = mergeOverrides(noOverrides, mapped.draft, said({ team: 'north', amountTotal: '1' }))
  const applied = applyOverrides({ ...mapped, problems }, overrides)
  assert.deepEqual(fieldsOf(applied.problems), ['fields.rate'])
  assert.deepEqual(applied.draft.fields, { ...mapped.draft.fields, team: 'north' })
})

const anyName = fc.constantFrom(
  'checkIn',
  'arrivalDate',
  'checkOut',
  'guestName',
  'adults',
  'amountTotal',
  'currency',
  'status',
  'phone',
  'client_name',
  '__proto__',
  'constructor',
  'checkin',
  '',
)
const anyValue: fc.Arbitrary<Scalar> = fc.oneof(
  fc.constantFrom<Scalar>(
    '2027-05-01',
    '2027-05-09',
    '2027-02-31',
    'EUR',
    'JPY',
    '12.345',
    'confirmed',
    null,
  ),
  fc.string({ maxLength: 5 }),
  fc.integer({ min: 0, max: 9 }),
  fc.boolean(),
)
const anyBody: fc.Arbitrary<Fields> = fc.record({
  arrivalDate: fc.constantFrom('2027-05-03', null, '2027-02-30'),
  departureDate: fc.constantFrom('2027-05-07', null, '2027-05-01'),
  totalPrice: fc.constantFrom(412.5, null, 'much'),
  currency: fc.constantFrom('EUR', null, 'euro'),
  status: fc.constantFrom('new', 'cancelled', 'bewitched', undefined),
  guestName: fc.constantFrom('Ada', 'Bob', null),
  listingMapId: fc.constantFrom(8001, undefined),
  isDatesUnspecified: fc.constantFrom(0, 1),
})

it('whatever is said of whatever is sent: the same answer twice, taken back without a trace, and no cancellation lost', () => {
  const order = fc.dictionary(anyName, anyValue, { maxKeys: 6 })
  fc.assert(
    fc.property(anyBody, anyBody, order, fc.boolean(), (body, later, fields, isKnown) => {
      const listing = isKnown ? boathouse : undefined
      const mapped = drafted(body, listing)
      // Values of the wrong type do not come past the schema of the route.
      const { said: parts } = readOverrideFields(
        Object.fromEntries(Object.entries(fields).filter(([name, value]) => isTyped(name, value))),
      )
      const overrides = mergeOverrides(noOverrides, mapped.draft, parts)
      const once = applyOverrides(mapped, overrides)
      assert.deepEqual(applyOverrides(mapped, once.overrides), once)
      const stored = JSON.parse(JSON.stringify(once.overrides)) as BookingOverrides
      assert.deepEqual(applyOverrides(mapped, stored), once)
      assert.ok(isOverridden(overrides, parts))

      const nothing = Object.fromEntries(
        Object.keys(showOverrides(overrides).fields).map((name) => [name, null]),
      )
      const back = mergeOverrides(overrides, mapped.draft, said(nothing))
      assert.deepEqual(applyOverrides(mapped, back), { ...mapped, overrides: noOverrides })

      const next = drafted(later, listing)
      const after = applyOverrides(next, once.overrides)
      if (next.draft.status !== null) assert.equal(after.draft.status, next.draft.status)
      if (after.problems.length === 0 && after.draft.checkIn !== null && after.draft.checkOut !== null) {
        assert.ok(after.draft.checkIn < after.draft.checkOut)
      }
      assert.equal(Object.getPrototypeOf(after.draft.fields), Object.prototype)
    }),
    { numRuns: 500 },
  )
})

function isTyped(name: string, value: Scalar): boolean {
  if (value === null) return true
  if (name === 'adults') return typeof value === 'number'
  if (name === 'amountTotal') return value === '12.345'
  if (name === 'currency') return value === 'EUR' || value === 'JPY'
  if (name === 'status') return value === 'confirmed'
  if (['checkIn', 'checkOut', 'arrivalDate'].includes(name)) return /^\d{4}-\d{2}-\d{2}$/.test(String(value))
  return true
}
