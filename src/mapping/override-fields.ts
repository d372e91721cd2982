import { type TSchema, Type } from 'typebox'
import { isCardField, withoutCardNumbers } from '../channels/contract/card-data.ts'
import { isDay } from '../platform/days.ts'
import type { BookingDraft } from './booking-draft.ts'

/** The parts of a booking that a manager may override. */
export type OverridableField = (typeof overridableFields)[number]

export const overridableFields = [
  'status',
  'checkIn',
  'checkOut',
  'guestName',
  'guestEmail',
  'guestPhone',
  'guestsTotal',
  'guestsAdults',
  'guestsChildren',
  'guestsInfants',
  'guestsPets',
  'amountTotal',
  'currency',
  'channelName',
  'confirmationCode',
] as const satisfies ReadonlyArray<keyof BookingDraft>

// Several types in one schema, so that a value is not coerced into the first type that fits.
const orNull = (type: string, rules: Record<string, unknown>) =>
  Type.Unsafe<string | number | null>({ type: [type, 'null'], ...rules })
const text = orNull('string', { minLength: 1, maxLength: 500 })
const count = orNull('integer', { minimum: 0, maximum: 9_999 })
const day = orNull('string', { pattern: '^\\d{4}-\\d{2}-\\d{2}$', description: '`YYYY-MM-DD`' })

const schemas: Record<OverridableField, TSchema> = {
  status: Type.Unsafe<string | null>({
    enum: ['confirmed', 'pending', 'inquiry', null],
    description: 'Only where the channel’s own status is missing or not known.',
  }),
  checkIn: day,
  checkOut: day,
  guestName: text,
  guestEmail: text,
  guestPhone: text,
  guestsTotal: count,
  guestsAdults: count,
  guestsChildren: count,
  guestsInfants: count,
  guestsPets: count,
  amountTotal: orNull('string', {
    pattern: '^-?\\d{1,12}(\\.\\d{1,6})?$',
    description: 'Decimal text, in `currency`.',
  }),
  currency: orNull('string', { pattern: '^[A-Z]{3}$', description: 'ISO 4217' }),
  channelName: text,
  confirmationCode: text,
}

/** The channel’s names of the same things, as problems give them. */
export const sourceNames: Record<OverridableField, readonly string[]> = {
  status: [],
  checkIn: ['arrivalDate'],
  checkOut: ['departureDate'],
  guestName: [],
  guestEmail: [],
  guestPhone: ['phone'],
  guestsTotal: ['numberOfGuests'],
  guestsAdults: ['adults'],
  guestsChildren: ['children'],
  guestsInfants: ['infants'],
  guestsPets: ['pets'],
  amountTotal: ['totalPrice'],
  currency: [],
  channelName: [],
  confirmationCode: [],
}

const namesOf = new Map<string, OverridableField>(
  overridableFields.flatMap((field) => [field, ...sourceNames[field]].map((name) => [name, field] as const)),
)

/** What an import may set beside the unit: parts of the booking, and mapped fields under any other name. */
export const OverrideFields = Type.Unsafe<Record<string, Scalar>>(
  Type.Object(
    Object.fromEntries(
      overridableFields.flatMap((field) =>
        [field, ...sourceNames[field]].map((name) => [name, Type.Optional(schemas[field])] as const),
      ),
    ),
    {
      additionalProperties: Type.Unsafe<Scalar>({
        type: ['string', 'number', 'boolean', 'null'],
        maxLength: 2_000,
      }),
      maxProperties: 100,
      description:
        'Parts of the booking, by their own names or by the channel’s (`checkIn` or `arrivalDate`); any other name is a mapped field of the booking. `null` takes back what was said before.',
    },
  ),
)

export type Scalar = string | number | boolean | null
export type PresentFields = {
  /** Parts of the booking; null takes back. */
  booking: Partial<Record<OverridableField, Scalar>>
  /** Mapped fields; null takes back. */
  fields: Record<string, Scalar>
}

const fieldName = /^[A-Za-z][A-Za-z0-9_.-]{0,99}$/
const refusedNames = new Set(['constructor', 'prototype', 'hasOwnProperty', 'toString', 'valueOf'])
const lowerCaseNames = new Map([...namesOf.keys()].map((name) => [name.toLowerCase(), name]))

/** Sorts what was sent into parts of the booking and mapped fields; names every entry that is neither. Pure. */
export function readOverrideFields(sent: Record<string, Scalar>): {
  said: PresentFields
  problems: Array<{ field: string; message: string }>
} {
  const said: PresentFields = { booking: {}, fields: {} }
  const problems: Array<{ field: string; message: string }> = []
  for (const [name, value] of Object.entries(sent)) {
    const report = (message: string) => problems.push({ field: `fields.${name}`, message })
    const field = namesOf.get(name)
    const meant = lowerCaseNames.get(name.toLowerCase())
    if (field !== undefined) {
      if (field in said.booking) report(`says the same as another one: send only ${field}`)
      else if (isDayField(field) && typeof value === 'string' && !isDay(value))
        report('is not a calendar day')
      else said.booking[field] = keptScalar(value)
    } else if (meant !== undefined) report(`is not a field; ${meant} is`)
    else if (isCardField(name)) report('is card data, which is never stored')
    else if (!fieldName.test(name) || refusedNames.has(name)) report('is not a name for a field')
    else said.fields[name] = keptScalar(value)
  }
  return { said, problems }
}

function keptScalar(value: Scalar): Scalar {
  return typeof value === 'string' ? withoutCardNumbers(value) : value
}

function isDayField(field: OverridableField): boolean {
  return field === 'checkIn' || field === 'checkOut'
}
