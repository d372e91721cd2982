import { type Static, Type } from 'typebox'
import { withoutCardNumbers } from '../../channels/contract/card-data.ts'
import { amountText } from '../../mapping/money.ts'
import { amount, Currency, Day, EmailOrNull, Name, textOrNull, UnitId } from '../../platform/http/fields.ts'

/** The fields of a booking in a request; one left out stays as it is. The amount is decimal text. */
export type SentBooking = {
  checkIn?: string
  checkOut?: string
  guest?: { name?: string; email?: string | null; phone?: string | null }
  guests?: { total?: number; adults?: number; children?: number; infants?: number; pets?: number }
  amount?: { total: string; currency: string }
  note?: string | null
}

const closed = { additionalProperties: false }
const people = Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000 }))
const guest = { email: Type.Optional(EmailOrNull), phone: Type.Optional(textOrNull({ maxLength: 200 })) }
const guests = {
  total: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
  ...{ adults: people, children: people, infants: people, pets: people },
}
const common = {
  amount: Type.Optional(
    Type.Object(
      { total: amount(12), currency: Currency },
      { ...closed, description: 'In the listing’s currency.' },
    ),
  ),
  note: Type.Optional(textOrNull({ maxLength: 5_000, description: 'For the host alone.' })),
}

export const NewBookingBody = Type.Object(
  {
    unitId: UnitId,
    checkIn: Day,
    checkOut: Day,
    guest: Type.Object({ name: Name, ...guest }, closed),
    guests: Type.Optional(Type.Object(guests, closed)),
    ...common,
    status: Type.Optional(Type.Literal('confirmed', { description: 'The channel takes no other booking.' })),
  },
  {
    ...closed,
    title: 'NewBooking',
    examples: [
      {
        unitId: 'quay-flat',
        checkIn: '2027-07-03',
        checkOut: '2027-07-10',
        guest: { name: 'Ada Example', email: 'ada@example.com' },
        guests: { adults: 2 },
        amount: { total: '412.50', currency: 'EUR' },
      },
    ],
  },
)

const change = { ...closed, minProperties: 1 }
export const BookingChangeBody = Type.Object(
  {
    checkIn: Type.Optional(Day),
    checkOut: Type.Optional(Day),
    guest: Type.Optional(Type.Object({ name: Type.Optional(Name), ...guest }, change)),
    guests: Type.Optional(Type.Object(guests, change)),
    ...common,
  },
  { ...change, title: 'BookingChange' },
)

/** Reads a valid body, or the valid fields of one: texts are trimmed, and a blank one is null. */
export function toSentBooking(
  body: Partial<Static<typeof NewBookingBody>> | Static<typeof BookingChangeBody>,
): SentBooking {
  const { checkIn, checkOut, guest: person, guests: counts, amount: money, note } = body
  return {
    ...(checkIn === undefined ? {} : { checkIn }),
    ...(checkOut === undefined ? {} : { checkOut }),
    ...(person === undefined ? {} : { guest: trimmed(person) }),
    ...(counts === undefined ? {} : { guests: counts }),
    ...(money === undefined ? {} : { amount: { ...money, total: amountText(money.total) } }),
    ...(note === undefined ? {} : trimmed({ note: note === null ? null : withoutCardNumbers(note) })),
  }
}

function trimmed<Texts extends Record<string, string | null>>(texts: Texts): Texts {
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name, text?.trim() || null]),
  ) as Texts
}
