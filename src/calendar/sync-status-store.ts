import { type Kysely, sql } from 'kysely'
import { earliestToday } from '../platform/db/database-time.ts'
import type { CalendarDayRow } from '../platform/db/outbound-tables.ts'
import type { ConnectionStatus, Database } from '../platform/db/tables.ts'
import { outboundQueue } from '../platform/queue/queues.ts'
import { isDue } from './pushed-nights-store.ts'

/** What of one listing waits, failed or drifted, in days. */
export type ListingSync = {
  listingId: string
  unitId: string | null
  pendingDays: number
  failedDays: number
  driftedDays: number
  detailsPending: boolean
  detailsFailed: boolean
  attempts: number
  nextAttemptAt: Date | null
  lastPushedAt: Date | null
  lastCheckedAt: Date | null
  lastError: string | null
  leasedUntil: Date | null
}

const isWaiting = sql`(${isDue} or (d.unverified_since is not null and d.failed_kind is null))`

/** How every listing of a connection stands. */
export async function listListingSyncs(db: Kysely<Database>, connectionId: string): Promise<ListingSync[]> {
  const { rows } = await sql<ListingSync>`
    with night as (
      select d.listing_id,
        count(*) filter (where ${isWaiting})::integer as pending,
        count(*) filter (where d.failed_kind is not null)::integer as failed,
        count(*) filter (where d.drifted_at is not null and ${isWaiting})::integer as drifted
      from calendar_days d
      where d.connection_id = ${connectionId} and d.day >= ${earliestToday}
        and (d.units_differ or d.rest_differs or d.unverified_since is not null or d.failed_kind is not null)
      group by d.listing_id
    )
    select l.listing_id as "listingId", l.unit_id as "unitId",
      coalesce(night.pending, 0) as "pendingDays", coalesce(night.failed, 0) as "failedDays",
      coalesce(night.drifted, 0) as "driftedDays",
      p.details_failed_kind is null and not coalesce(p.pushed_details @> p.desired_details, true) as "detailsPending",
      p.details_failed_kind is not null as "detailsFailed",
      coalesce(p.attempts, 0) as attempts, p.due_at as "nextAttemptAt", p.last_pushed_at as "lastPushedAt",
      p.last_checked_at as "lastCheckedAt",
      case when p.lease_until > now() then p.lease_until end as "leasedUntil",
      coalesce(p.last_error, (
        select letter.message from dead_letter_queue letter
        where letter.status = 'open' and letter.queue = ${outboundQueue} and letter.connection_id = l.connection_id
          and letter.payload ->> 'listingId' = l.listing_id
        order by letter.last_failed_at desc limit 1
      )) as "lastError"
    from listings l
    left join listing_pushes p on p.connection_id = l.connection_id and p.listing_id = l.listing_id
    left join night on night.listing_id = l.listing_id
    where l.connection_id = ${connectionId}
    order by l.listing_id
  `.execute(db)
  return rows
}

// What was desired of a connection that is disconnected waits for nothing.
const isConnected = (alias: 'd' | 'p') => sql`exists (select 1 from hostaway_connections c
  where c.id = ${sql.ref(`${alias}.connection_id`)} and c.status <> 'disconnected')`

/** Listings that wait, by what for, and days that wait; all tenants, for the gauges. */
export async function countWaiting(
  db: Kysely<Database>,
): Promise<{ calendars: number; details: number; days: number }> {
  const { rows } = await sql<{ calendars: number; details: number; days: number }>`
    select
      (select count(*)::integer from listing_pushes p
        where (availability_due_at is not null or price_due_at is not null) and ${isConnected('p')}) as calendars,
      (select count(*)::integer from listing_pushes p
        where details_due_at is not null and ${isConnected('p')}) as details,
      (select count(*)::integer from calendar_days d
        where (d.units_differ or d.rest_differs) and d.day >= ${earliestToday} and ${isDue}
          and ${isConnected('d')}) as days
  `.execute(db)
  return rows[0] ?? { calendars: 0, details: 0, days: 0 }
}

/** How a night stands: the first of these that holds, where several listings stand for its unit. */
export const nightStates = ['failed', 'paused', 'disabled', 'held', 'pending', 'pushed', 'none'] as const
export type NightState = (typeof nightStates)[number]

/** A night of a unit at one of its listings. `desiredBy` is the token's name where the event is still kept. */
export type DesiredNightRow = CalendarDayRow & {
  unit_id: string
  unit_count: number
  state: NightState
  connection_status: ConnectionStatus
  dead_letter_id: string | null
  failure: string | null
}

/** The desired nights of these units, with how each stands and the dead letter of one that failed. */
export async function listDesiredNights(
  db: Kysely<Database>,
  {
    tenantId,
    unitIds,
    connectionId,
  }: { tenantId: string; unitIds: string[]; connectionId: string | undefined },
  { from, to }: { from: string; to: string },
): Promise<DesiredNightRow[]> {
  const { rows } = await sql<DesiredNightRow>`
    select d.*, l.unit_id, l.unit_count, c.status as connection_status,
      letter.id as dead_letter_id, letter.message as failure,
      case
        when d.failed_kind is not null then 'failed'
        when not (d.units_differ or d.rest_differs or d.unverified_since is not null) then 'pushed'
        when c.status <> 'active' then 'paused'
        when (d.units_differ and not c.sync_availability) or (d.rest_differs and not c.sync_pricing) then 'disabled'
        when ${isWaiting} then 'pending'
        else 'held'
      end as state
    from listings l
    join hostaway_connections c on c.id = l.connection_id
    join calendar_days d on d.connection_id = l.connection_id and d.listing_id = l.listing_id
      and d.day between ${from}::date and ${to}::date
    left join lateral (
      select id, message from dead_letter_queue letter
      where d.failed_kind is not null and letter.status = 'open' and letter.queue = ${outboundQueue}
        and letter.subject in (
          d.connection_id || ':' || d.listing_id || ':' || d.day, d.connection_id || ':' || d.listing_id)
      order by letter.subject desc limit 1
    ) letter on true
    where l.tenant_id = ${tenantId} and l.unit_id = any(${unitIds})
      and (${connectionId ?? null}::uuid is null or l.connection_id = ${connectionId ?? null}::uuid)
    order by l.unit_id, d.day
  `.execute(db)
  return rows
}
