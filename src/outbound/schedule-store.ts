import { type Kysely, sql } from 'kysely'
import type { Database } from '../db/tables.ts'
import { isDue } from './calendar-store.ts'

export type SyncType = 'availability' | 'pricing' | 'listings'

const earliestToday = sql`(now() at time zone 'UTC' - interval '12 hours')::date`

/**
 * Makes every listing wait whose wish differs from what Hostaway was told, whatever lost sight of it. Where nothing
 * differs nothing changes, so a schedule of this costs no call. Returns the connections that have work now.
 */
export async function markDiffering(db: Kysely<Database>, type: SyncType): Promise<string[]> {
  const { rows } = await sql<{ connectionId: string }>`
    with marked as (
      ${statements[type]}
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
      and not p.pushed_details @> p.wished_details`,
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

/** When a schedule last ran; the first question counts as a run. */
export async function lastRunOf(db: Kysely<Database>, name: string): Promise<Date> {
  const { rows } = await sql<{ at: Date }>`
    insert into scheduled_runs (name, last_run_at) values (${name}, clock_timestamp())
    on conflict (name) do update set name = excluded.name
    returning last_run_at as at
  `.execute(db)
  const at = rows[0]?.at
  if (at === undefined) throw new Error(`the schedule ${name} has no last run`)
  return at
}

/** Notes that a schedule ran. */
export async function noteRun(db: Kysely<Database>, name: string, at: Date): Promise<void> {
  await db.updateTable('scheduled_runs').set({ last_run_at: at }).where('name', '=', name).execute()
}
