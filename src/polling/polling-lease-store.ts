import { type Kysely, sql } from 'kysely'
import type { PollingLeaseRow } from '../platform/db/history-tables.ts'
import type { Database } from '../platform/db/tables.ts'
import { type Lease, leasesOn } from '../platform/work/leases.ts'

/** The leases of polling, one for each connection: the one whose last slice is the longest ago comes first. */
export const pollingLeases = leasesOn<PollingLeaseRow>({
  name: 'polling_leases',
  key: ['connection_id'],
  order: sql`claimed_at`,
})

/** Claims the active connection with due work whose last slice is the longest ago; undefined where there is none. */
export async function claimPolling(
  db: Kysely<Database>,
  leaseMs: number,
): Promise<PollingLeaseRow | undefined> {
  const where = sql`exists (
    select 1 from hostaway_connections c where c.id = w.connection_id and c.status = 'active')`
  return pollingLeases.claim(db, { leaseMs, where })
}

/** The lease that a claimed row stands for. */
export function pollingLease({ connection_id, fence }: PollingLeaseRow): Lease {
  return { key: [connection_id], fence }
}

/** What may wait for a connection to be polled. */
export type PollingWork = 'import' | 'reconcile' | 'fetch'

/** Lets work be done as soon as a worker claims the connection; safe to repeat. */
export async function requestPolling(
  db: Kysely<Database>,
  connectionId: string,
  work: PollingWork,
): Promise<void> {
  const column = columns[work]
  await sql`
    insert into polling_leases as lease (connection_id, ${column}) values (${connectionId}, clock_timestamp())
    on conflict (connection_id) do update set ${column} = clock_timestamp()
  `.execute(db)
}

/**
 * Asks for the reconciliation of the active connections that have no schedule of their own, `staggerMs` apart, or of
 * one that has. What waits already keeps its place.
 */
export async function requestReconciles(
  db: Kysely<Database>,
  of: { staggerMs: number } | { connectionId: string },
): Promise<void> {
  const staggerMs = 'staggerMs' in of ? of.staggerMs : 0
  const scope = 'connectionId' in of ? sql`id = ${of.connectionId}` : sql`reconcile_cron is null`
  await sql`
    insert into polling_leases as lease (connection_id, reconcile_due_at)
    select id, clock_timestamp() + (row_number() over (order by id) - 1) * ${staggerMs} * interval '1 millisecond'
    from hostaway_connections where status = 'active' and reconcile and ${scope}
    on conflict (connection_id) do update
      set reconcile_due_at = coalesce(lease.reconcile_due_at, excluded.reconcile_due_at)
  `.execute(db)
}

/** Marks work as done, unless it was requested again since `dueAt`; with `delayMs` it waits for its next attempt. */
export async function settleWork(
  db: Kysely<Database>,
  connectionId: string,
  { work, dueAt, delayMs }: { work: PollingWork; dueAt: Date; delayMs?: number },
): Promise<void> {
  const column = columns[work]
  const next =
    delayMs === undefined ? sql`null` : sql`clock_timestamp() + ${delayMs} * interval '1 millisecond'`
  // A Date has milliseconds, the column microseconds.
  await sql`
    update polling_leases set ${column} = ${next}
    where connection_id = ${connectionId} and date_trunc('milliseconds', ${column}) = ${dueAt}
  `.execute(db)
}

/** Lets a connection that can work again be polled at once, whatever it was deferred for. Safe to repeat. */
export async function clearPollDeferral(db: Kysely<Database>, connectionId: string): Promise<void> {
  await db
    .updateTable('polling_leases')
    .set({ not_before: null })
    .where('connection_id', '=', connectionId)
    .execute()
}

const columns = {
  import: sql.ref('import_due_at'),
  reconcile: sql.ref('reconcile_due_at'),
  fetch: sql.ref('fetch_due_at'),
}
