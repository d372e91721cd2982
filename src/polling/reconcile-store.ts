import { type Kysely, sql, type Transaction } from 'kysely'
import { noteSynced } from '../connections/connection-status-store.ts'
import type { ReconcileRow, Walk } from '../platform/db/history-tables.ts'
import type { Database } from '../platform/db/tables.ts'

/** The connections that have a schedule of their own for reconciliation, and its expression. */
export async function listOwnReconciles(
  db: Kysely<Database>,
): Promise<Array<{ connectionId: string; cron: string }>> {
  const rows = await db
    .selectFrom('hostaway_connections')
    .select(['id', 'reconcile_cron'])
    .where('status', '=', 'active')
    .where('reconcile', '=', true)
    .where('reconcile_cron', 'is not', null)
    .execute()
  return rows.flatMap(({ id, reconcile_cron: cron }) => (cron === null ? [] : [{ connectionId: id, cron }]))
}

/** Lets reconciliation begin with what changes from now on: what was before is for an import to read. */
export async function beginReconciling(trx: Transaction<Database>, connectionId: string): Promise<void> {
  const values = { watermark: sql<Date>`clock_timestamp()`, walk: null, attempts: 0, last_error: null }
  await trx
    .insertInto('reconciles')
    .values({ connection_id: connectionId, ...values })
    .onConflict((conflict) => conflict.column('connection_id').doUpdateSet(values))
    .execute()
}

/** How far the reconciliation of a connection is; undefined where there has been none. */
export async function findReconcile(
  db: Kysely<Database>,
  connectionId: string,
): Promise<ReconcileRow | undefined> {
  return db.selectFrom('reconciles').selectAll().where('connection_id', '=', connectionId).executeTakeFirst()
}

/** Notes how far the pass under way has come. */
export async function saveReconcileWalk(
  trx: Transaction<Database>,
  connectionId: string,
  walk: Walk,
): Promise<void> {
  const values = { walk: JSON.stringify(walk), attempts: 0, last_error: null }
  await trx
    .insertInto('reconciles')
    .values({ connection_id: connectionId, watermark: null, ...values })
    .onConflict((conflict) => conflict.column('connection_id').doUpdateSet(values))
    .execute()
}

/**
 * Ends a pass that came down to where it was to: only now the watermark moves, never back and never beyond now, as one
 * wrong date in the future would hide everything that changes until then.
 */
export async function endReconcile(
  trx: Transaction<Database>,
  connectionId: string,
  newestSeen: string | null,
): Promise<void> {
  await sql`
    insert into reconciles as r (connection_id, watermark) values (${connectionId}, least(${newestSeen}::timestamptz, clock_timestamp()))
    on conflict (connection_id) do update set watermark = greatest(r.watermark, excluded.watermark),
      walk = null, attempts = 0, last_error = null
  `.execute(trx)
  await noteSynced(trx, connectionId)
}

/**
 * Notes a failure. With `beginAnew` the next pass does not resume where this one was, but comes down from the newest
 * change to the same watermark: nothing is left out.
 */
export async function noteReconcileFailure(
  db: Kysely<Database>,
  connectionId: string,
  { message, beginAnew }: { message: string; beginAnew: boolean },
): Promise<void> {
  await sql`
    insert into reconciles as r (connection_id, attempts, last_error) values (${connectionId}, 1, ${message})
    on conflict (connection_id) do update set attempts = r.attempts + 1, last_error = excluded.last_error,
      walk = case when ${beginAnew} then null else r.walk end
  `.execute(db)
}

/** Seconds since a connection was last known to hold all of the channel's reservations, the longest of the active ones. */
export async function longestUnreconciledSeconds(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ seconds: number | null }>`
    select extract(epoch from max(clock_timestamp() - coalesce(last_sync_at, created_at)))::float8 as seconds
    from hostaway_connections where status = 'active' and reconcile
  `.execute(db)
  return rows[0]?.seconds ?? 0
}
