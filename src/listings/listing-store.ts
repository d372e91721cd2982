import { type Kysely, sql, type Transaction } from 'kysely'
import type { Listing } from '../channels/contract/listing.ts'
import { belongsToOneOf } from '../platform/db/key-pairs.ts'
import type { Database, ListingRow } from '../platform/db/tables.ts'

/** A listing as its channel describes it, reduced to what the connector keeps. */
export type ListingFacts = {
  listingId: string
  name: string
  currency: string | null
  timeZone: string | null
  /** Undefined if the answer has no count; the stored count is then kept. */
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
 * Adds or refreshes listings of a connection, whatever their number. A new listing gets the unit `<channel>-<id>`
 * where `autoMap` is on and no other listing has it, and none otherwise; a unit once assigned is kept, and so is what
 * a person decided. Safe to repeat.
 */
export async function upsertListings(
  db: Kysely<Database>,
  connection: { id: string; tenantId: string; channel: string },
  listings: ListingFacts[],
  autoMap: boolean,
): Promise<void> {
  // One row per id: a page that moved while it was read may repeat a listing, which the upsert would refuse.
  const rows = [...new Map(listings.map((listing) => [listing.listingId, listing])).values()]
  if (rows.length === 0) return
  const column = <Key extends keyof ListingFacts>(key: Key) => rows.map((row) => row[key] ?? null)
  const prefix = `${connection.channel}-`
  await sql`
    insert into listings (connection_id, listing_id, tenant_id, unit_id, name, currency, time_zone, unit_count)
    select ${connection.id}, listing_id, ${connection.tenantId},
      case when ${autoMap} and not exists (
        select from listings other where other.connection_id = ${connection.id}
          and other.unit_id = ${prefix} || sent.listing_id and other.listing_id <> sent.listing_id
      ) then ${prefix} || listing_id end,
      name, currency, time_zone, coalesce(unit_count, 1)
    from unnest(
      ${column('listingId')}::text[], ${column('name')}::text[], ${column('currency')}::text[],
      ${column('timeZone')}::text[], ${column('unitCount')}::integer[]
    ) as sent (listing_id, name, currency, time_zone, unit_count)
    on conflict (connection_id, listing_id) do update set
      name = excluded.name,
      currency = coalesce(excluded.currency, listings.currency),
      time_zone = coalesce(excluded.time_zone, listings.time_zone),
      unit_id = case when listings.unit_set_by_hand then listings.unit_id
        else coalesce(listings.unit_id, excluded.unit_id) end,
      updated_at = now()
  `.execute(db)
  const counted = rows.filter(({ unitCount }) => unitCount !== undefined)
  if (counted.length === 0) return
  await sql`
    update listings set unit_count = sent.unit_count
    from unnest(
      ${counted.map(({ listingId }) => listingId)}::text[], ${counted.map(({ unitCount }) => unitCount)}::integer[]
    ) as sent (listing_id, unit_count)
    where listings.connection_id = ${connection.id} and listings.listing_id = sent.listing_id
      and listings.unit_count <> sent.unit_count
  `.execute(db)
}

/** The stored listings among these ids, in no order. */
export async function findListings(
  db: Kysely<Database>,
  listings: Array<{ connectionId: string; listingId: string }>,
): Promise<ListingRow[]> {
  return listings.length === 0 ? [] : selectListings(db, listings).execute()
}

/** Locks a listing whose unit is to change; waits for desired values that are being written. */
export async function lockListing(
  trx: Transaction<Database>,
  listing: { connectionId: string; listingId: string },
): Promise<ListingRow> {
  return selectListings(trx, [listing]).forUpdate().executeTakeFirstOrThrow()
}

/**
 * Writes what a person decided about a listing; an undefined rate stays as it is. Fails with the unique violation
 * `listings_one_per_unit` where another listing of the connection has the unit.
 */
export async function assignUnit(
  trx: Transaction<Database>,
  listing: { connectionId: string; listingId: string },
  decided: { unitId: string | null; commissionRate: number | null | undefined },
): Promise<ListingRow> {
  const { unitId, commissionRate } = decided
  return trx
    .updateTable('listings')
    .set({
      unit_id: unitId,
      unit_set_by_hand: true,
      updated_at: sql<Date>`clock_timestamp()`,
      ...(commissionRate === undefined
        ? {}
        : { commission_rate: commissionRate === null ? null : String(commissionRate) }),
    })
    .where('connection_id', '=', listing.connectionId)
    .where('listing_id', '=', listing.listingId)
    .returningAll()
    .executeTakeFirstOrThrow()
}

/** The next listing of the connection by id, the first after the last; undefined where there is no other. */
export async function findNeighbour(
  db: Kysely<Database>,
  { connectionId, listingId }: { connectionId: string; listingId: string },
): Promise<string | undefined> {
  const others = db.selectFrom('listings').select('listing_id').where('connection_id', '=', connectionId)
  const after = others.where('listing_id', '>', listingId).orderBy('listing_id').limit(1)
  const first = others.where('listing_id', '<', listingId).orderBy('listing_id').limit(1)
  const row = (await after.executeTakeFirst()) ?? (await first.executeTakeFirst())
  return row?.listing_id
}

/** How many there are of each of these units, in the same order; 1 where no listing says otherwise. */
export async function unitCountsOf(
  db: Kysely<Database>,
  units: Array<{ tenantId: string; unitId: string }>,
): Promise<number[]> {
  if (units.length === 0) return []
  const column = <Key extends keyof (typeof units)[number]>(key: Key) => units.map((unit) => unit[key])
  const { rows } = await sql<{ units: number }>`
    select coalesce(max(listing.unit_count), 1) as units
    from unnest(${column('tenantId')}::uuid[], ${column('unitId')}::text[]) with ordinality
      as wanted (tenant_id, unit_id, position)
    left join listings listing on listing.tenant_id = wanted.tenant_id and listing.unit_id = wanted.unit_id
    group by wanted.position
    order by wanted.position
  `.execute(db)
  return rows.map(({ units: count }) => count)
}

export type UnitWithListings = {
  unitId: string
  units: number
  listings: Array<{ connectionId: string; listingId: string; name: string }>
}

/** The units of a tenant by id, one more than `limit`; `units` is the largest count that a listing of it has. */
export async function listUnits(
  db: Kysely<Database>,
  options: { tenantId: string; connectionId: string | undefined; limit: number; after: string | undefined },
): Promise<UnitWithListings[]> {
  const { rows } = await sql<UnitWithListings>`
    select unit_id as "unitId", max(unit_count) as units,
      json_agg(json_build_object('connectionId', connection_id, 'listingId', listing_id, 'name', name)
        order by connection_id, listing_id) as listings
    from listings
    where tenant_id = ${options.tenantId} and unit_id > ${options.after ?? ''}
      and (${options.connectionId ?? null}::uuid is null or connection_id = ${options.connectionId ?? null}::uuid)
    group by unit_id order by unit_id limit ${options.limit + 1}
  `.execute(db)
  return rows
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

/**
 * Takes the units from all listings of a connection: they belong to an account that it is no longer connected to.
 * Bookings keep their units. Safe to repeat.
 */
export async function forgetListings(trx: Transaction<Database>, connectionId: string): Promise<void> {
  await sql`
    update listings set unit_id = null, unit_set_by_hand = false, updated_at = now()
    where connection_id = ${connectionId} and (unit_id is not null or unit_set_by_hand)
  `.execute(trx)
}

function selectListings(db: Kysely<Database>, listings: Array<{ connectionId: string; listingId: string }>) {
  const keys = listings.map(({ connectionId, listingId }) => ({ connectionId, id: listingId }))
  return db
    .selectFrom('listings')
    .selectAll()
    .where(belongsToOneOf({ connection: 'connection_id', id: 'listing_id' }, keys))
}
