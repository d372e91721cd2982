import { Big } from 'big.js'
import { toMoney } from '../../mapping/money.ts'
import { dayIn } from '../../platform/days.ts'
import type { ListingRow } from '../../platform/db/tables.ts'
import type { WrongField } from '../../platform/http/violations.ts'
import type { DesiredBooking } from '../desired-booking.ts'
import type { SentBooking } from './read-booking.ts'

const yearsAhead = 3

/**
 * Names every part of a booking that its listing does not allow. `current` are the days of a booking that is being
 * changed: what stays as it is may lie in the past. Pure.
 */
export function checkBooking(
  sent: SentBooking,
  listing: Pick<ListingRow, 'currency' | 'time_zone'>,
  now: Date,
  current: { checkIn: string | null; checkOut: string | null } = { checkIn: null, checkOut: null },
): WrongField[] {
  const problems: WrongField[] = []
  const today = dayIn(listing.time_zone, now)
  // As text, so that a leap day needs no care.
  const lastDay = `${Number(today.slice(0, 4)) + yearsAhead}${today.slice(4)}`
  const checkIn = sent.checkIn ?? current.checkIn
  const checkOut = sent.checkOut ?? current.checkOut
  if (sent.checkIn !== undefined && sent.checkIn !== current.checkIn && sent.checkIn < today) {
    problems.push({ field: 'checkIn', message: `${sent.checkIn} is in the past, today is ${today} there` })
  }
  if (sent.checkOut !== undefined && sent.checkOut !== current.checkOut && sent.checkOut < today) {
    problems.push({ field: 'checkOut', message: `${sent.checkOut} is in the past, today is ${today} there` })
  }
  if (checkIn !== null && checkOut !== null && checkOut <= checkIn) {
    problems.push({ field: 'checkOut', message: `must be after checkIn ${checkIn}` })
  }
  if (sent.checkOut !== undefined && sent.checkOut > lastDay) {
    problems.push({ field: 'checkOut', message: `${sent.checkOut} is more than three years ahead` })
  }
  return [...problems, ...checkAmount(sent.amount, listing.currency)]
}

/** The desired values of a request. Pure. */
export function toDesired({ checkIn, checkOut, guest, guests, amount, note }: SentBooking): DesiredBooking {
  const money = amount === undefined ? undefined : toMoney(amount.total, amount.currency)
  return withoutUndefined({
    checkIn,
    checkOut,
    guestName: guest?.name,
    guestEmail: guest?.email,
    guestPhone: guest?.phone,
    guestsTotal: guests?.total,
    guestsAdults: guests?.adults,
    guestsChildren: guests?.children,
    guestsInfants: guests?.infants,
    guestsPets: guests?.pets,
    amountTotal: money?.total,
    amountMinor: money?.minor,
    note,
  })
}

function checkAmount(amount: SentBooking['amount'], currency: string | null): WrongField[] {
  if (amount === undefined) return []
  if (currency !== null && amount.currency !== currency) {
    return [{ field: 'amount.currency', message: `the listing's currency is ${currency}` }]
  }
  const money = toMoney(amount.total, amount.currency)
  const isExact = money !== undefined && new Big(money.total).eq(amount.total)
  return isExact ? [] : [{ field: 'amount.total', message: `has more decimals than ${amount.currency} has` }]
}

function withoutUndefined<Value extends object>(
  value: Value,
): { [Key in keyof Value]?: Exclude<Value[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [Key in keyof Value]?: Exclude<Value[Key], undefined>
  }
}
