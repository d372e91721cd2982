import type { Kysely } from 'kysely'
import type { Database, ListingRow } from '../platform/db/tables.ts'
import { listDesiredNights } from './sync-status-store.ts'

/** What is desired of a night and what Hostaway was told, by the names of events. */
export type DesiredNight = {
  desired: Record<string, unknown>
  pushed: Record<string, unknown>
  pending: boolean
}

/** The desired values for a unit by day, both ends included; a day without one is missing. */
export async function desiredOfUnit(
  db: Kysely<Database>,
  listings: ListingRow[],
  range: { from: string; to: string },
): Promise<Map<string, DesiredNight>> {
  const keys = listings.map(({ connection_id, listing_id }) => ({
    connectionId: connection_id,
    listingId: listing_id,
  }))
  const counts = new Map(listings.map((listing) => [listing.listing_id, listing.unit_count]))
  const desired = new Map<string, DesiredNight>()
  for (const night of await listDesiredNights(db, keys, range)) {
    const isMultiUnit = (counts.get(night.listing_id) ?? 1) > 1
    const values = (prefix: 'desired' | 'pushed') => ({
      ...availability(night[`${prefix}_units`], isMultiUnit),
      ...present('price', amount(night[`${prefix}_price`])),
      ...present('minStay', night[`${prefix}_min_stay`]),
      ...present('maxStay', night[`${prefix}_max_stay`]),
      ...present('closedOnArrival', night[`${prefix}_closed_on_arrival`]),
      ...present('closedOnDeparture', night[`${prefix}_closed_on_departure`]),
      ...present('note', night[`${prefix}_note`]),
    })
    const other = desired.get(night.day)
    desired.set(night.day, {
      desired: { ...other?.desired, ...values('desired') },
      pushed: { ...other?.pushed, ...values('pushed') },
      pending: night.waits || other?.pending === true,
    })
  }
  return desired
}

function availability(units: number | null, isMultiUnit: boolean): Record<string, unknown> {
  if (units === null) return {}
  return { available: units > 0, ...(isMultiUnit ? { unitsToSell: units } : {}) }
}

function present(name: string, value: unknown): Record<string, unknown> {
  return value === null ? {} : { [name]: value }
}

function amount(price: string | null): number | null {
  return price === null ? null : Number(price)
}
