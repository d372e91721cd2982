import { type Kysely, sql, type Transaction } from 'kysely'
import type { OutboxEventType } from '../outbox/outbox-store.ts'
import type { ConnectionStatus, Database } from '../platform/db/tables.ts'
import { limitAccount } from '../platform/limiter/call-window-store.ts'
import { appendConnectionEvent } from './connection-events.ts'

// Which status may follow which; a change from any other is somebody else's news and is left alone.
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
  /** Done in the same transaction if the status changes. */
  alongside?: ((trx: Transaction<Database>) => Promise<void>) | undefined
}

/**
 * Moves a connection along the table of legal transitions and tells the outbox; false if it was not in a status this
 * may follow. With `keySetAt` only while it still has the API key that was set then. Webhooks that were parked because
 * of the old status wait no longer.
 */
export async function setConnectionStatus(
  db: Kysely<Database>,
  id: string,
  status: ConnectionStatus,
  change: Change = {},
): Promise<boolean> {
  return move(db, id, { from: followsFrom[status], to: status }, change)
}

/** Lets a paused connection go on; false if it was not paused. */
export async function resumeConnection(db: Kysely<Database>, id: string): Promise<boolean> {
  return move(db, id, { from: ['paused'], to: 'active' }, {})
}

async function move(
  db: Kysely<Database>,
  id: string,
  { from, to }: { from: readonly ConnectionStatus[]; to: ConnectionStatus },
  { reason = null, keySetAt, alongside }: Change,
): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    let update = trx
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
      .where('status', 'in', [...from])
      .returning(['tenant_id', 'account_id'])
    if (keySetAt !== undefined) update = update.where('key_set_at', '=', keySetAt)
    const row = await update.executeTakeFirst()
    if (row === undefined) return false
    if (to === 'active' || to === 'disconnected') await releaseParked(trx, id)
    // Whoever connects the account next has not asked for it.
    if (to === 'disconnected') await limitAccount(trx, row.account_id, undefined)
    const type = eventOf[to]
    if (type !== undefined) {
      const connection = { id, tenantId: row.tenant_id }
      await appendConnectionEvent(trx, connection, type, { accountId: row.account_id, status: to, reason })
    }
    await alongside?.(trx)
    return true
  })
}

// Whoever parks a webhook looks at the connection's row under a lock: it comes before this, and is released here, or
// it finds the new status.
async function releaseParked(trx: Transaction<Database>, connectionId: string): Promise<void> {
  await sql`
    update webhook_logs set parked = false, enqueued_at = null
    where status = 'received' and parked = true and connection_id = ${connectionId}
  `.execute(trx)
}
