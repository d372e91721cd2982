import { type Kysely, sql, type Transaction } from 'kysely'
import { earliestToday } from '../platform/db/database-time.ts'
import type { Database } from '../platform/db/tables.ts'
import { perCalendarColumn } from './calendar-fields.ts'
import type { ListingKey } from './listing-push-store.ts'
import { isDue } from './pushed-nights-store.ts'

export const syncTypes = ['availability', 'pricing', 'listings'] as const
export type SyncType = (typeof syncTypes)[number]

/** The connections of a schedule: those with one of their own are named, the others have the installation's. */
export type ScheduleScope = { connectionIds: string[] } | 'installation'

const columns = {
  availability: { enabled: 'sync_availability', cron: 'sync_availability_cron' },
  pricing: { enabled: 'sync_pricing', cron: 'sync_pricing_cron' },
  listings: { enabled: 'sync_listings', cron: 'sync_listings_cron' },
} as const satisfies Record<SyncType, { enabled: string; cron: string }>

/**
 * Makes every listing wait whose desired values differ from the pushed ones, whatever lost sight of it. Where nothing
 * differs nothing changes, so a schedule of this costs no call. Returns the connections that have work now.
 */
export async function markDiffering(
  db: Kysely<Database>,
  type: SyncType,
  scope: ScheduleScope,
): Promise<string[]> {
  const { enabled, cron } = columns[type]
  const inScope =
    scope === 'installation'
      ? sql`${sql.ref(`c.${cron}`)} is null`
      : sql`c.id = any(${scope.connectionIds}::uuid[])`
  const { rows } = await sql<{ connectionId: string }>`
    with marked as (
      ${statements[type]}
        and exists (select 1 from hostaway_connections c
          where c.id = p.connection_id and ${sql.ref(`c.${enabled}`)} and ${inScope})
      returning p.connection_id
    )
    select distinct connection_id as "connectionId" from marked
  `.execute(db)
  return rows.map(({ connectionId }) => connectionId)
}

const statements = {
  availability: sql`
    update listing_pushes p set availability_due_at = clock_timestamp()
    where p.availability_due_at is null and exists (select 1 from calendar_days d
      where d.connection_id = p.connection_id and d.listing_id = p.listing_id and d.day >= ${earliestToday}
        and ((d.units_differ and ${isDue}) or (d.unverified_since is not null and d.failed_kind is null)))`,
  pricing: sql`
    update listing_pushes p set price_due_at = clock_timestamp()
    where p.price_due_at is null and exists (select 1 from calendar_days d
      where d.connection_id = p.connection_id and d.listing_id = p.listing_id and d.day >= ${earliestToday}
        and d.rest_differs and ${isDue})`,
  listings: sql`
    update listing_pushes p set details_due_at = clock_timestamp()
    where p.details_due_at is null and p.details_failed_kind is null
      and not p.pushed_details @> p.desired_details`,
}

/**
 * Asks for a look at drift for the listings that were not looked at for the longest, if that is `afterMs` or more; a
 * few at a time, so that the looks spread. Returns the connections that have work now.
 */
export async function markForCheck(
  db: Kysely<Database>,
  { afterMs, limit }: { afterMs: number; limit: number },
): Promise<string[]> {
  const { rows } = await sql<{ connectionId: string }>`
    with oldest as (
      select connection_id, listing_id from listing_pushes
      where check_due_at is null and coalesce(last_checked_at, last_pushed_at)
        <= clock_timestamp() - ${afterMs} * interval '1 millisecond'
      order by coalesce(last_checked_at, last_pushed_at)
      limit ${limit}
    ), marked as (
      update listing_pushes p set check_due_at = clock_timestamp()
      from oldest where p.connection_id = oldest.connection_id and p.listing_id = oldest.listing_id
      returning p.connection_id
    )
    select distinct connection_id as "connectionId" from marked
  `.execute(db)
  return rows.map(({ connectionId }) => connectionId)
}

/** Takes what waits of parts that were disabled from a connection's listings; the desired values stay. Safe to repeat. */
export async function holdDisabled(db: Kysely<Database>, connectionId: string): Promise<void> {
  await sql`
    update listing_pushes p set
      availability_due_at = case when c.sync_availability then p.availability_due_at end,
      price_due_at = case when c.sync_pricing then p.price_due_at end,
      details_due_at = case when c.sync_listings then p.details_due_at end
    from hostaway_connections c
    where c.id = ${connectionId} and p.connection_id = c.id
      and not (c.sync_availability and c.sync_pricing and c.sync_listings)
  `.execute(db)
}

/** The connections that have a schedule of their own for a type, and its expression. */
export async function listOwnSchedules(
  db: Kysely<Database>,
  type: SyncType,
): Promise<Array<{ connectionId: string; cron: string }>> {
  const { enabled, cron } = columns[type]
  const rows = await db
    .selectFrom('hostaway_connections')
    .select(['id', cron])
    .where('status', '=', 'active')
    .where(enabled, '=', true)
    .where(cron, 'is not', null)
    .execute()
  return rows.flatMap((row) => {
    const expression = row[cron]
    return expression === null ? [] : [{ connectionId: row.id, cron: expression }]
  })
}

/**
 * Forgets what was pushed of a connection, so that everything desired is sent once more; the listings follow one
 * another at `staggerMs`. What failed stays failed. Returns how many listings there are. Safe to repeat.
 */
export async function clearPushed(
  db: Kysely<Database>,
  connectionId: string,
  staggerMs: number,
): Promise<number> {
  return db.transaction().execute(async (trx) => {
    await sql`
      select 1 from listing_pushes where connection_id = ${connectionId} order by listing_id for update
    `.execute(trx)
    await sql`
      update calendar_days set ${perCalendarColumn((name) => sql`${sql.ref(`pushed_${name}`)} = null`)}
      where connection_id = ${connectionId} and day >= ${earliestToday}
    `.execute(trx)
    const { rows } = await sql`
      with slot as (
        select listing_id, clock_timestamp() + (row_number() over (order by listing_id) - 1)
          * ${staggerMs} * interval '1 millisecond' as at
        from listing_pushes where connection_id = ${connectionId}
      )
      update listing_pushes p set
        pushed_details = '{}',
        availability_due_at = coalesce(p.availability_due_at, slot.at),
        price_due_at = coalesce(p.price_due_at, slot.at),
        details_due_at = coalesce(p.details_due_at, slot.at)
      from slot where p.connection_id = ${connectionId} and p.listing_id = slot.listing_id
      returning 1
    `.execute(trx)
    return rows.length
  })
}

/** Makes failed nights and details due again, in the transaction that closes their dead letter. */
export async function reopenDeadLettered(
  trx: Transaction<Database>,
  { connectionId, listingId, day }: ListingKey & { day: string | undefined },
): Promise<void> {
  await sql`
    select 1 from listing_pushes
    where connection_id = ${connectionId} and listing_id = ${listingId} for update
  `.execute(trx)
  await sql`
    update calendar_days set failed_kind = null
    where connection_id = ${connectionId} and listing_id = ${listingId} and failed_kind is not null
      and (${day ?? null}::date is null or day = ${day ?? null}::date)
  `.execute(trx)
  await sql`
    update listing_pushes set
      availability_due_at = coalesce(availability_due_at, clock_timestamp()),
      details_due_at = case when ${day === undefined} then coalesce(details_due_at, clock_timestamp())
        else details_due_at end,
      details_failed_kind = case when ${day === undefined} then null else details_failed_kind end,
      attempts = 0
    where connection_id = ${connectionId} and listing_id = ${listingId}
  `.execute(trx)
}
