import { type Kysely, sql } from 'kysely'
import { earliestToday } from '../platform/db/database-time.ts'
import type { Database } from '../platform/db/tables.ts'
import { isDue } from './calendar-store.ts'

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
 * Makes every listing wait whose desired value differs from what Hostaway was told, whatever lost sight of it. Where nothing
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
