import { type Kysely, sql, type Transaction } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import { hasNotEnded } from './webhook-log.ts'

/**
 * Parks a webhook until its connection is active again. False if the connection is active already, or the webhook has
 * ended: the connection is read under a lock, so that a webhook is either parked before the connection becomes active,
 * and released then, or not parked.
 */
export async function parkWebhook(db: Kysely<Database>, id: string): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const { rows: waiting } = await sql`
      select 1 from hostaway_connections c
      where c.id = (select connection_id from webhook_logs where id = ${id}) and c.status in ('paused', 'needs_reauth')
      for share
    `.execute(trx)
    if (waiting.length === 0) return false
    const { rows } = await sql`
      update webhook_logs set parked = true where id = ${id} and ${hasNotEnded} returning 1
    `.execute(trx)
    return rows.length > 0
  })
}

/**
 * Lets parked webhooks of a connection wait for a job, in the transaction that changes its status: `parkWebhook` holds
 * the connection's row, so it either comes before this or finds the new status.
 */
export async function releaseParked(trx: Transaction<Database>, connectionId: string): Promise<void> {
  await sql`
    update webhook_logs set parked = false, enqueued_at = null
    where status = 'received' and parked = true and connection_id = ${connectionId}
  `.execute(trx)
}

/** Stored webhooks of a connection that wait for a job, in no order. */
export async function findWaitingWebhooks(
  db: Kysely<Database>,
  connectionId: string,
  limit: number,
): Promise<string[]> {
  const rows = await db
    .selectFrom('webhook_logs')
    .select('id')
    .where('connection_id', '=', connectionId)
    .where('status', '=', 'received')
    .where('parked', '=', false)
    .where('enqueued_at', 'is', null)
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}

/** How many webhooks of a connection have not come to an end, and the age of the oldest in seconds. */
export async function countWaitingWebhooks(
  db: Kysely<Database>,
  scope: { tenantId: string; connectionId: string },
): Promise<{ webhooks: number; oldestWebhookSeconds: number }> {
  const { rows } = await sql<{ webhooks: number; oldest: number | null }>`
    select count(*)::integer as webhooks,
      extract(epoch from clock_timestamp() - min(received_at))::float8 as oldest
    from webhook_logs
    where tenant_id = ${scope.tenantId} and connection_id = ${scope.connectionId} and status = 'received'
  `.execute(db)
  return { webhooks: rows[0]?.webhooks ?? 0, oldestWebhookSeconds: rows[0]?.oldest ?? 0 }
}
