import { Big } from 'big.js'
import { toMoney } from '../mapping/money.ts'
import type { CalendarRange } from './calendar-fields.ts'
import type { ListingDetails } from './listing-changes.ts'
import { mergeRanges } from './merge-ranges.ts'
import type { Problem, SentRange, WishEvent } from './read-events.ts'

/** What must be known of a listing to judge wishes for it. */
export type WishedListing = {
  connectionId: string
  listingId: string
  tenantId: string
  unitId: string
  unitCount: number
  currency: string | null
  timeZone: string | null
}

/** Everything that is wished for one listing; the ranges do not overlap. */
export type ListingWish = {
  listing: WishedListing
  ranges: CalendarRange[]
  details: ListingDetails
}

const yearsAhead = 3

/** Turns events into one wish per listing, and names every entry that the listings do not allow. Pure. */
export function checkEvents(
  events: WishEvent[],
  listings: WishedListing[],
  now: Date,
): { wishes: ListingWish[]; problems: Problem[] } {
  const problems: Problem[] = []
  const byUnit = Map.groupBy(listings, ({ unitId }) => unitId)
  const wishes = new Map<WishedListing, { ranges: CalendarRange[]; details: ListingDetails }>()
  for (const event of events) {
    const targets = byUnit.get(event.unitId)
    if (targets === undefined) {
      problems.push({ field: at(event.field, 'unitId'), message: `unit ${event.unitId} is not known` })
      continue
    }
    for (const listing of targets) {
      const wish = wishes.get(listing) ?? { ranges: [], details: {} }
      wishes.set(listing, wish)
      if (event.type === 'listing.updated') Object.assign(wish.details, event.changes)
      else wish.ranges.push(...checkRanges(event, listing, now, problems))
    }
  }
  return {
    problems,
    wishes: [...wishes].map(([listing, { ranges, details }]) => ({
      listing,
      ranges: mergeRanges(ranges),
      details,
    })),
  }
}

function checkRanges(
  event: Exclude<WishEvent, { type: 'listing.updated' }>,
  listing: WishedListing,
  now: Date,
  problems: Problem[],
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

/** The calendar day it is in a time zone; UTC where the zone is not known. */
export function dayIn(timeZone: string | null, now: Date): string {
  // This locale writes days as ISO does.
  return new Intl.DateTimeFormat('en-CA', {
    timeZone: timeZone ?? 'UTC',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  }).format(now)
}

function at(field: string, name: string): string {
  return field === '' ? name : `${field}.${name}`
}
