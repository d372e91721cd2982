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
 * Adds or refreshes listings of a connection, whatever their number. A new listing gets the unit `hostaway-<id>`
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
  const column = <Key extends keyof ListingFacts>(key: Key) => rows.map((row) => row[key] ?? null)
  await sql`
    insert into listings (connection_id, listing_id, tenant_id, unit_id, name, currency, time_zone, unit_count)
    select ${connection.id}, listing_id, ${connection.tenantId},
      case when ${autoMap} then 'hostaway-' || listing_id end, name, currency, time_zone, coalesce(unit_count, 1)
    from unnest(
      ${column('listingId')}::text[], ${column('name')}::text[], ${column('currency')}::text[],
      ${column('timeZone')}::text[], ${column('unitCount')}::integer[]
    ) as told (listing_id, name, currency, time_zone, unit_count)
    on conflict (connection_id, listing_id) do update set
      name = excluded.name,
      currency = coalesce(excluded.currency, listings.currency),
      time_zone = coalesce(excluded.time_zone, listings.time_zone),
      unit_id = coalesce(listings.unit_id, excluded.unit_id),
      updated_at = now()
  `.execute(db)
  const counted = rows.filter(({ unitCount }) => unitCount !== undefined)
  if (counted.length === 0) return
  await sql`
    update listings set unit_count = told.unit_count
    from unnest(
      ${counted.map(({ listingId }) => listingId)}::text[], ${counted.map(({ unitCount }) => unitCount)}::integer[]
    ) as told (listing_id, unit_count)
    where listings.connection_id = ${connection.id} and listings.listing_id = told.listing_id
      and listings.unit_count <> told.unit_count
  `.execute(db)
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
