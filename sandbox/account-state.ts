import type { Account, WrittenDay } from './accounts.ts'
import { showDays } from './calendar-days.ts'
import type { JsonObject } from './json-text.ts'
import type { Listing, ListingUnit } from './listing-factory.ts'
import { addDays, dayNumber } from './plain-days.ts'
import type { Reservation } from './reservation-factory.ts'
import type { UnifiedWebhook } from './webhook-records.ts'

export type CalendarDayShown = JsonObject & {
  id: number
  date: string
  isAvailable: number
  status: string
  price: number
  minimumStay: number
  maximumStay: number
  closedOnArrival: number | null
  closedOnDeparture: number | null
  note: string | null
  availableUnitsToSell: number
  desiredUnitsToSell: number | null
}

export type ListingState = {
  listing: Listing
  units: ListingUnit[]
  /** The days in the range asked for; without one, those that were written or are booked. */
  calendar: CalendarDayShown[]
  /** Only what was written, by day. */
  written: Record<string, WrittenDay>
}

export type AccountState = {
  accountId: number
  listings: ListingState[]
  reservations: Reservation[]
  webhooks: UnifiedWebhook[]
  messages: JsonObject[]
  tasks: JsonObject[]
}

type Range = { from: string; to: string }

/** All an account holds, as it is and not as the API shows it: complete reservations, nights held at once. */
export function stateOf(account: Account, range?: Range): AccountState {
  return {
    accountId: account.accountId,
    listings: [...account.listings.values()].map((listing) => ({
      listing: listing.body,
      units: listing.units,
      calendar: rangesOf([...listing.days.keys(), ...listing.nights.keys()], range).flatMap(({ from, to }) =>
        // The days are built with exactly these keys.
        showDays(
          account,
          listing,
          { first: from, last: to },
          { now: Number.POSITIVE_INFINITY, includeResources: false },
        ).map((day) => day as CalendarDayShown),
      ),
      written: Object.fromEntries(listing.days),
    })),
    reservations: [...account.reservations.values()].map(({ body }) => body),
    webhooks: [...account.webhooks.values()],
    messages: account.messages,
    tasks: [...account.tasks.values()],
  }
}

function rangesOf(touched: string[], range: Range | undefined): Range[] {
  if (range) return [range]
  const ranges: Range[] = []
  for (const day of [...new Set(touched)].sort((left, right) => dayNumber(left) - dayNumber(right))) {
    const current = ranges.at(-1)
    if (current && addDays(current.to, 1) === day) current.to = day
    else ranges.push({ from: day, to: day })
  }
  return ranges
}
