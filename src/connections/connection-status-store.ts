import { type Kysely, sql, type Transaction } from 'kysely'
import type { OutboxEventType } from '../outbox/outbox-store.ts'
import type { ConnectionStatus, Database } from '../platform/db/tables.ts'
import { limitAccount } from '../platform/limiter/call-window-store.ts'
import { appendConnectionEvent } from './connection-events.ts'
import type { Reactions } from './connection-reactions.ts'

// Which status may follow which; other transitions are ignored.
const followsFrom: Record<ConnectionStatus, readonly ConnectionStatus[]> = {
  connecting: ['disconnected'],
  active: ['connecting', 'needs_reauth'],
  paused: ['active', 'needs_reauth'],
  needs_reauth: ['active', 'connecting'],
  disconnected: ['connecting', 'active', 'paused', 'needs_reauth'],
}

const eventOf: Partial<Record<ConnectionStatus, OutboxEventType>> = {
  active: 'connection.connected',
  paused: 'connection.paused',
  needs_reauth: 'connection.needs_reauth',
  disconnected: 'connection.disconnected',
}

type Change = {
  reason?: string | null
  keySetAt?: Date
}

type StatusDeps = { db: Kysely<Database>; reactions: Pick<Reactions, 'statusChanged'> }

/**
 * Moves a connection along the table of legal transitions and tells the outbox and the other modules, all in one
 * transaction; false if it was not in a status this may follow. With `keySetAt` only while it still has the API key that
 * was set then.
 */
export async function setConnectionStatus(
  deps: StatusDeps,
  id: string,
  status: ConnectionStatus,
  change: Change = {},
): Promise<boolean> {
  return move(deps, id, { from: followsFrom[status], to: status }, change)
}

/** Resumes a paused connection; false if it was not paused. */
export async function resumeConnection(deps: StatusDeps, id: string): Promise<boolean> {
  return move(deps, id, { from: ['paused'], to: 'active' }, {})
}

async function move(
  { db, reactions }: StatusDeps,
  id: string,
  { from, to }: { from: readonly ConnectionStatus[]; to: ConnectionStatus },
  { reason = null, keySetAt }: Change,
): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    let query = trx
      .selectFrom('hostaway_connections')
      .select(['tenant_id', 'account_id', 'status'])
      .where('id', '=', id)
      .where('status', 'in', [...from])
      .forNoKeyUpdate()
    if (keySetAt !== undefined) query = query.where('key_set_at', '=', keySetAt)
    const before = await query.executeTakeFirst()
    if (before === undefined) return false
    await trx
      .updateTable('hostaway_connections')
      .set({
        status: to,
        status_reason: reason,
        updated_at: sql<Date>`clock_timestamp()`,
        ...(to === 'disconnected'
          ? {
              disconnecting_since: sql<Date>`clock_timestamp()`,
              webhook_check_due_at: sql<Date>`clock_timestamp()`,
            }
          : {}),
      })
      .where('id', '=', id)
      .execute()
    const accountId = before.account_id
    // The tenant that connects the account next has not asked for this limit.
    if (to === 'disconnected') await limitAccount(trx, accountId, undefined)
    const connection = { id, tenantId: before.tenant_id }
    const type = eventOf[to]
    if (type !== undefined) {
      await appendConnectionEvent(trx, connection, type, { accountId, status: to, reason })
    }
    await reactions.statusChanged(trx, connection, { from: before.status, to })
    return true
  })
}

/** Notes that everything the channel holds of a connection's reservations was read. */
export async function noteSynced(trx: Transaction<Database>, connectionId: string): Promise<void> {
  await trx
    .updateTable('hostaway_connections')
    .set({ last_sync_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', connectionId)
    .execute()
}

/** Says when the channel is to be asked about a connection's webhook again, whatever becomes of this process. */
export async function setWebhookCheckDue(db: Kysely<Database>, id: string, inMs: number): Promise<void> {
  await db
    .updateTable('hostaway_connections')
    .set({ webhook_check_due_at: inFuture(inMs) })
    .where('id', '=', id)
    .execute()
}

/** Records the channel's id of the webhook that was found or made as it should be, and when to look again. */
export async function noteWebhook(
  db: Kysely<Database>,
  id: string,
  webhook: { externalId: string; checkInMs: number },
): Promise<void> {
  await db
    .updateTable('hostaway_connections')
    .set({
      webhook_external_id: webhook.externalId,
      webhook_check_due_at: inFuture(webhook.checkInMs),
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .execute()
}

/** Connections of which the channel is to be asked now, the longest due first: those in use, and those to be taken down. */
export async function listDueChecks(db: Kysely<Database>, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('hostaway_connections')
    .select('id')
    .where((eb) =>
      eb.or([eb('status', 'in', ['active', 'paused']), eb('disconnecting_since', 'is not', null)]),
    )
    .where('webhook_check_due_at', '<=', sql<Date>`clock_timestamp()`)
    .orderBy('webhook_check_due_at')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}

/** How long a connection has been silent, and for how long it may be by its habit, in seconds. */
export type Silence = { lastInboundAt: Date | null; silentSeconds: number; usualSeconds: number }

/** `isReported`: this silence was noted before. */
export type Habit = Silence & { isReported: boolean }

const habitWebhooks = 200

// Twice the longest pause among its last webhooks, between an hour and a day; a day where there is no habit yet.
// The index of webhooks is by tenant, and the planner must know which one it is.
const silenceOf = ({ id, tenantId }: { id: string; tenantId: string }) => sql`
  select c.id as connection_id, recent.last,
    extract(epoch from clock_timestamp() - coalesce(recent.last, c.created_at))::float8 as silent,
    case when recent.pause is null then 86400 else least(86400, greatest(3600, 2 * recent.pause)) end::float8 as usual,
    coalesce(c.silence_reported_at >= coalesce(recent.last, c.created_at), false) as reported
  from hostaway_connections c
  cross join lateral (
    select max(received_at) as last, extract(epoch from max(pause)) as pause from (
      select received_at, received_at - lag(received_at) over (order by received_at) as pause from (
        select received_at from webhook_logs where tenant_id = ${tenantId} and connection_id = ${id}
        order by id desc limit ${habitWebhooks}) as newest) as pauses) as recent
  where c.id = ${id}`

/** Compares the silence of a connection with its habit. */
export async function readHabit(
  db: Kysely<Database>,
  connection: { id: string; tenantId: string },
): Promise<Habit> {
  const { rows } = await sql<Habit>`
    with silence as (${silenceOf(connection)})
    select last as "lastInboundAt", silent as "silentSeconds", usual as "usualSeconds", reported as "isReported" from silence
  `.execute(db)
  return rows[0] ?? { lastInboundAt: null, silentSeconds: 0, usualSeconds: 0, isReported: false }
}

/** Notes that an active connection is silent against its habit, once per silence; undefined where there is no news. */
export async function noteSilence(
  db: Kysely<Database>,
  connection: { id: string; tenantId: string },
): Promise<Silence | undefined> {
  const { rows } = await sql<Silence>`
    with silence as (${silenceOf(connection)})
    update hostaway_connections c set silence_reported_at = clock_timestamp()
    from silence
    where c.id = silence.connection_id and c.status = 'active' and silent > usual and not reported
    returning last as "lastInboundAt", silent as "silentSeconds", usual as "usualSeconds"
  `.execute(db)
  return rows[0]
}

function inFuture(milliseconds: number) {
  return sql<Date>`clock_timestamp() + ${milliseconds} * interval '1 millisecond'`
}
