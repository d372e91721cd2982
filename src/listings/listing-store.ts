import { type Kysely, sql } from 'kysely'
import { belongsToOneOf } from '../db/key-pairs.ts'
import type { Database, ListingRow } from '../db/tables.ts'
import type { Listing } from '../hostaway/wire/listing.ts'

/** A listing as Hostaway describes it, reduced to what the connector keeps. */
export type ListingFacts = {
  listingId: string
  name: string
  currency: string | null
  timeZone: string | null
  /** Undefined where the answer did not say; a stored count is then kept. */
  unitCount: number | undefined
}

export function toListingFacts(listing: Listing): ListingFacts {
  return {
    listingId: listing.id,
    name: listing.name,
    currency: listing.currency ?? null,
    timeZone: listing.timeZone ?? null,
    unitCount: listing.unitCount,
  }
}

/**
 * Adds or refreshes listings of a connection in one statement. A new listing gets the unit `hostaway-<id>`
 * where `autoMap` is on and none otherwise; a unit once assigned is kept. Safe to repeat.
 */
export async function upsertListings(
  db: Kysely<Database>,
  connection: { id: string; tenantId: string },
  listings: ListingFacts[],
  autoMap: boolean,
): Promise<void> {
  // One row per id: a page that moved while it was read may repeat a listing, which the upsert would refuse.
  const rows = [...new Map(listings.map((listing) => [listing.listingId, listing])).values()]
  if (rows.length === 0) return
  await db
    .insertInto('listings')
    .values(
      rows.map((listing) => ({
        connection_id: connection.id,
        listing_id: listing.listingId,
        tenant_id: connection.tenantId,
        unit_id: autoMap ? `hostaway-${listing.listingId}` : null,
        name: listing.name,
        currency: listing.currency,
        time_zone: listing.timeZone,
        unit_count: listing.unitCount ?? 1,
      })),
    )
    .onConflict((conflict) =>
      // An answer that does not tell the units would read as one.
      conflict.columns(['connection_id', 'listing_id']).doUpdateSet({
        name: sql`excluded.name`,
        currency: sql`coalesce(excluded.currency, listings.currency)`,
        time_zone: sql`coalesce(excluded.time_zone, listings.time_zone)`,
        unit_count: sql`greatest(listings.unit_count, excluded.unit_count)`,
        unit_id: sql`coalesce(listings.unit_id, excluded.unit_id)`,
        updated_at: sql`now()`,
      }),
    )
    .execute()
}

/** The listings that there are of these, in no order. */
export async function findListings(
  db: Kysely<Database>,
  listings: Array<{ connectionId: string; listingId: string }>,
): Promise<ListingRow[]> {
  if (listings.length === 0) return []
  const keys = listings.map(({ connectionId, listingId }) => ({ connectionId, id: listingId }))
  return db
    .selectFrom('listings')
    .selectAll()
    .where(belongsToOneOf({ connection: 'connection_id', id: 'listing_id' }, keys))
    .execute()
}

export async function listListings(
  db: Kysely<Database>,
  options: { connectionId: string; limit: number; after: string | undefined },
): Promise<ListingRow[]> {
  let query = db
    .selectFrom('listings')
    .selectAll()
    .where('connection_id', '=', options.connectionId)
    .orderBy('listing_id')
    .limit(options.limit + 1)
  if (options.after !== undefined) query = query.where('listing_id', '>', options.after)
  return query.execute()
}

/** The listings that stand for a unit of a tenant; none where the unit is not known. */
export async function listListingsOfUnit(
  db: Kysely<Database>,
  scope: { tenantId: string; unitId: string },
): Promise<ListingRow[]> {
  return db
    .selectFrom('listings')
    .selectAll()
    .where('tenant_id', '=', scope.tenantId)
    .where('unit_id', '=', scope.unitId)
    .execute()
}
