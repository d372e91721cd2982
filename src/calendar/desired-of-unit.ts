import type { Kysely } from 'kysely'
import type { Database, ListingRow } from '../platform/db/tables.ts'
import { fieldNames, valueAt } from './calendar-fields.ts'
import { listDesiredNights } from './sync-status-store.ts'

/** What is desired of a night and what was pushed, by the names of events. */
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
    const values = (state: 'desired' | 'pushed') => ({
      ...availability(night[`${state}_units`], isMultiUnit),
      ...Object.fromEntries(
        fieldNames.flatMap((field) => {
          const value = field === 'units' ? null : valueAt(night, state, field)
          return value === null ? [] : [[field, field === 'price' ? Number(value) : value]]
        }),
      ),
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
