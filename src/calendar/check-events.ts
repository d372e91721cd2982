import { Big } from 'big.js'
import { toMoney } from '../mapping/money.ts'
import { dayIn } from '../platform/days.ts'
import type { WrongField } from '../platform/http/violations.ts'
import type { CalendarRange } from './calendar-fields.ts'
import { mergeRanges } from './intervals.ts'
import type { ListingDetails } from './listing-changes.ts'
import type { DesiredEvent, SentRange } from './read-events.ts'

/** What must be known of a listing to judge desired values for it. */
export type TargetListing = {
  connectionId: string
  listingId: string
  tenantId: string
  unitId: string
  unitCount: number
  currency: string | null
  timeZone: string | null
}

/** Everything that is desired for one listing; the ranges do not overlap. */
export type DesiredUpdate = {
  listing: TargetListing
  ranges: CalendarRange[]
  details: ListingDetails
}

const yearsAhead = 3

/** Turns events into one desired value per listing, and names every entry that the listings do not allow. Pure. */
export function checkEvents(
  events: DesiredEvent[],
  listings: TargetListing[],
  now: Date,
): { desired: DesiredUpdate[]; problems: WrongField[] } {
  const problems: WrongField[] = []
  const byUnit = Map.groupBy(listings, ({ unitId }) => unitId)
  const desired = new Map<TargetListing, { ranges: CalendarRange[]; details: ListingDetails }>()
  for (const event of events) {
    const targets = byUnit.get(event.unitId)
    if (targets === undefined) {
      problems.push({ field: at(event.field, 'unitId'), message: `unit ${event.unitId} is not known` })
      continue
    }
    for (const listing of targets) {
      const update = desired.get(listing) ?? { ranges: [], details: {} }
      desired.set(listing, update)
      if (event.type === 'listing.updated') Object.assign(update.details, event.changes)
      else update.ranges.push(...checkRanges(event, listing, now, problems))
    }
  }
  return {
    problems,
    desired: [...desired].map(([listing, { ranges, details }]) => ({
      listing,
      ranges: mergeRanges(ranges),
      details,
    })),
  }
}

function checkRanges(
  event: Exclude<DesiredEvent, { type: 'listing.updated' }>,
  listing: TargetListing,
  now: Date,
  problems: WrongField[],
): CalendarRange[] {
  const today = dayIn(listing.timeZone, now)
  // As text, so that a leap day needs no care.
  const lastDay = `${Number(today.slice(0, 4)) + yearsAhead}${today.slice(4)}`
  const { currency } = listing
  if (event.type === 'pricing.updated' && currency !== null && event.currency !== currency) {
    problems.push({ field: at(event.field, 'currency'), message: `the listing's currency is ${currency}` })
  }
  return event.ranges.map((range) => {
    const report = (name: string, message: string) => problems.push({ field: at(range.field, name), message })
    if (range.from < today) report('from', `${range.from} is in the past, today is ${today} there`)
    if (range.to > lastDay) report('to', `${range.to} is more than three years ahead`)
    const { price } = range.values
    if (price !== undefined && currency !== null && !fitsCurrency(price, currency)) {
      report('price', `has more decimals than ${currency} has`)
    }
    const units = unitsOf(range, listing.unitCount)
    if (units !== undefined && units > listing.unitCount) {
      report('unitsToSell', `the listing has ${listing.unitCount}`)
    }
    return {
      from: range.from,
      to: range.to,
      values: { ...range.values, ...(units === undefined ? {} : { units }) },
    }
  })
}

function unitsOf({ available, unitsToSell }: SentRange, unitCount: number): number | undefined {
  if (available === false) return 0
  if (unitsToSell !== undefined) return unitsToSell
  return available === true ? unitCount : undefined
}

function fitsCurrency(price: string, currency: string): boolean {
  const money = toMoney(price, currency)
  return money !== undefined && new Big(money.total).eq(price)
}

function at(field: string, name: string): string {
  return field === '' ? name : `${field}.${name}`
}
