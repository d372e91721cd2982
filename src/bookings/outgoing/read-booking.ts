import { Big } from 'big.js'
import { isObject, type Problem, withoutUndefined } from '../../calendar/read-events.ts'
import { isDay } from '../../platform/days.ts'

/** What a request says of a booking; a field left out was not said. The amount is decimal text. */
export type SentBooking = {
  checkIn?: string
  checkOut?: string
  guest?: { name?: string; email?: string | null; phone?: string | null }
  guests?: { total?: number; adults?: number; children?: number; infants?: number; pets?: number }
  amount?: { total: string; currency: string }
  note?: string | null
}

const maxText = 200
const maxNote = 5_000
const maxGuests = 1_000
const maxAmount = new Big('1000000000000')
const fields = ['checkIn', 'checkOut', 'guest', 'guests', 'amount', 'note']
const counts = ['total', 'adults', 'children', 'infants', 'pets'] as const

/** Reads a new booking and names everything that is wrong with it, whatever it is. Never throws. */
export function readNewBooking(body: unknown): {
  unitId: string | undefined
  sent: SentBooking
  problems: Problem[]
} {
  const problems: Problem[] = []
  if (!isObject(body))
    return { unitId: undefined, sent: {}, problems: [{ field: 'body', message: 'must be an object' }] }
  const sent = read(body, [...fields, 'unitId', 'status'], problems)
  const missing = (field: string, message: string) => {
    if (!problems.some((problem) => problem.field === field)) problems.push({ field, message })
  }
  const unitId = readText(body.unitId, 'unitId', problems, maxText) ?? undefined
  if (unitId === undefined) missing('unitId', 'must be the id of a unit')
  if (sent.checkIn === undefined) missing('checkIn', 'is missing')
  if (sent.checkOut === undefined) missing('checkOut', 'is missing')
  if (sent.guest?.name === undefined) missing('guest.name', 'is missing')
  if (body.status !== undefined && body.status !== 'confirmed') {
    problems.push({ field: 'status', message: 'must be confirmed: Hostaway takes no other booking' })
  }
  return { unitId, sent, problems }
}

/** Reads a change of a booking and names everything that is wrong with it. Never throws. */
export function readBookingChange(body: unknown): { sent: SentBooking; problems: Problem[] } {
  const problems: Problem[] = []
  if (!isObject(body)) return { sent: {}, problems: [{ field: 'body', message: 'must be an object' }] }
  const sent = read(body, fields, problems)
  return { sent, problems }
}

function read(body: Record<string, unknown>, known: string[], problems: Problem[]): SentBooking {
  refuseUnknown(body, known, '', problems)
  const { checkIn, checkOut } = body
  for (const [field, day] of Object.entries({ checkIn, checkOut })) {
    if (day !== undefined && !isDay(day))
      problems.push({ field, message: 'is not a calendar day as YYYY-MM-DD' })
  }
  return withoutUndefined({
    checkIn: isDay(checkIn) ? checkIn : undefined,
    checkOut: isDay(checkOut) ? checkOut : undefined,
    guest: readGuest(body.guest, problems),
    guests: readGuests(body.guests, problems),
    amount: readAmount(body.amount, problems),
    note: readText(body.note, 'note', problems, maxNote),
  })
}

function readGuest(guest: unknown, problems: Problem[]): SentBooking['guest'] {
  if (guest === undefined) return undefined
  if (!isObject(guest)) return report(problems, 'guest', 'must be an object')
  refuseUnknown(guest, ['name', 'email', 'phone'], 'guest.', problems)
  const name = readText(guest.name, 'guest.name', problems, maxText)
  if (name === null) report(problems, 'guest.name', 'must have a name')
  const email = readText(guest.email, 'guest.email', problems, maxText)
  if (typeof email === 'string' && !/^[^\s@]+@[^\s@]+$/.test(email))
    report(problems, 'guest.email', 'is not an address')
  const phone = readText(guest.phone, 'guest.phone', problems, maxText)
  return withoutUndefined({ name: name ?? undefined, email, phone })
}

function readGuests(guests: unknown, problems: Problem[]): SentBooking['guests'] {
  if (guests === undefined) return undefined
  if (!isObject(guests)) return report(problems, 'guests', 'must be an object')
  refuseUnknown(guests, [...counts], 'guests.', problems)
  return withoutUndefined(
    Object.fromEntries(
      counts.map((name) => {
        const value = guests[name]
        const least = name === 'total' ? 1 : 0
        if (value === undefined) return [name, undefined]
        if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= maxGuests)
          return [name, value]
        return [
          name,
          report(problems, `guests.${name}`, `must be a whole number from ${least} to ${maxGuests}`),
        ]
      }),
    ),
  )
}

function readAmount(amount: unknown, problems: Problem[]): SentBooking['amount'] {
  if (amount === undefined) return undefined
  if (!isObject(amount)) return report(problems, 'amount', 'must be an object')
  refuseUnknown(amount, ['total', 'currency'], 'amount.', problems)
  const { total, currency } = amount
  const isAmount =
    (typeof total === 'number' && Number.isFinite(total)) ||
    (typeof total === 'string' && /^\d{1,12}(\.\d{1,8})?$/.test(total))
  const value = isAmount ? new Big(total) : undefined
  if (value === undefined || value.lt(0) || value.gt(maxAmount))
    report(problems, 'amount.total', 'must be an amount that is not negative, such as "412.50"')
  if (typeof currency !== 'string' || !/^[A-Z]{3}$/.test(currency))
    return report(problems, 'amount.currency', 'must be a currency code such as EUR')
  return value === undefined ? undefined : { total: value.toFixed(), currency }
}

function readText(
  value: unknown,
  field: string,
  problems: Problem[],
  longest: number,
): string | null | undefined {
  if (value === undefined || value === null) return value
  // PostgreSQL has no text with this character.
  if (typeof value === 'string' && value.length <= longest && !value.includes('\u0000')) {
    return value.trim() === '' ? null : value.trim()
  }
  return report(problems, field, `must be a text of at most ${longest} characters`)
}

function refuseUnknown(
  sent: Record<string, unknown>,
  known: string[],
  prefix: string,
  problems: Problem[],
): void {
  for (const name of Object.keys(sent)) {
    if (!known.includes(name)) report(problems, `${prefix}${name}`, 'is not known here')
  }
}

function report(problems: Problem[], field: string, message: string): undefined {
  problems.push({ field, message })
}
