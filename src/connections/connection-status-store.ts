import { type Kysely, sql } from 'kysely'
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

/** Lets a paused connection go on; false if it was not paused. */
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
      .forUpdate()
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
