import { type Kysely, sql, type Transaction } from 'kysely'
import type { HistoryTurnRow } from '../platform/db/history-tables.ts'
import type { Database } from '../platform/db/tables.ts'

/**
 * The right to read a connection's history. `fence` grows with every lease: what is written under an older one is
 * refused, so that a worker that was frozen cannot undo what its successor did.
 */
export type Turn = { connectionId: string; fence: string }

/** Somebody else reads this connection's history by now; whoever gets this stops and writes nothing. */
export class TurnLost extends Error {
  constructor() {
    super('Another worker has taken over the connection')
    this.name = 'TurnLost'
  }
}

/** What may wait for a connection's turn. */
export type HistoryWork = 'import' | 'reconcile' | 'fetch'

/** Sees to it that the work is done as soon as it is the connection's turn; safe to repeat. */
export async function requestTurn(
  db: Kysely<Database>,
  connectionId: string,
  work: HistoryWork,
): Promise<void> {
  const column = columns[work]
  await sql`
    insert into history_turns as turn (connection_id, ${column}) values (${connectionId}, clock_timestamp())
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
    insert into history_turns as turn (connection_id, reconcile_due_at)
    select id, clock_timestamp() + (row_number() over (order by id) - 1) * ${staggerMs} * interval '1 millisecond'
    from hostaway_connections where status = 'active' and reconcile and ${scope}
    on conflict (connection_id) do update
      set reconcile_due_at = coalesce(turn.reconcile_due_at, excluded.reconcile_due_at)
  `.execute(db)
}

/** Takes the connection with due work whose last turn is the longest ago, if nobody works on it; undefined where there is none. */
export async function claimTurn(db: Kysely<Database>, leaseMs: number): Promise<HistoryTurnRow | undefined> {
  const { rows } = await sql<HistoryTurnRow>`
    with next as (
      select turn.connection_id
      from history_turns turn
      join hostaway_connections c on c.id = turn.connection_id and c.status = 'active'
      where turn.due_at is not null and turn.due_at <= clock_timestamp()
        and (turn.lease_until is null or turn.lease_until <= clock_timestamp())
      order by turn.last_turn_at
      limit 1
      for update of turn skip locked
    )
    update history_turns turn set fence = turn.fence + 1, last_turn_at = clock_timestamp(),
      lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    from next where turn.connection_id = next.connection_id
    returning turn.*
  `.execute(db)
  return rows[0]
}

/** Holds the turn for `leaseMs` more, and its row until the transaction ends; throws TurnLost. */
export async function holdTurn(
  db: Kysely<Database> | Transaction<Database>,
  { connectionId, fence }: Turn,
  leaseMs: number,
): Promise<void> {
  const { rows } = await sql`
    update history_turns set lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    where connection_id = ${connectionId} and fence = ${fence}
    returning 1
  `.execute(db)
  if (rows.length === 0) throw new TurnLost()
}

/** Ends the waiting of work that is done, unless it was asked for anew since `dueAt`; `delayMs` lets it come back. */
export async function settleWork(
  db: Kysely<Database>,
  connectionId: string,
  { work, dueAt, delayMs }: { work: HistoryWork; dueAt: Date; delayMs?: number },
): Promise<void> {
  const column = columns[work]
  const next =
    delayMs === undefined ? sql`null` : sql`clock_timestamp() + ${delayMs} * interval '1 millisecond'`
  // A Date has milliseconds, the column microseconds.
  await sql`
    update history_turns set ${column} = ${next}
    where connection_id = ${connectionId} and date_trunc('milliseconds', ${column}) = ${dueAt}
  `.execute(db)
}

/** Gives the turn back; nothing of the connection is begun before `waitMs` have passed. */
export async function releaseTurn(
  db: Kysely<Database>,
  { connectionId, fence }: Turn,
  waitMs: number,
): Promise<void> {
  // With a new fence, so that a sign of life that comes late does not take the turn again.
  await sql`
    update history_turns set lease_until = null, fence = fence + 1,
      not_before = case when ${waitMs} > 0 then clock_timestamp() + ${waitMs} * interval '1 millisecond' end
    where connection_id = ${connectionId} and fence = ${fence}
  `.execute(db)
}

/** Lets a connection that can work again have its turn at once, whatever it was told about waiting. Safe to repeat. */
export async function clearPollDeferral(db: Kysely<Database>, connectionId: string): Promise<void> {
  await db
    .updateTable('history_turns')
    .set({ not_before: null })
    .where('connection_id', '=', connectionId)
    .execute()
}

const columns = {
  import: sql.ref('import_due_at'),
  reconcile: sql.ref('reconcile_due_at'),
  fetch: sql.ref('fetch_due_at'),
}
