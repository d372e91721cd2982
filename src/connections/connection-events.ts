import type { Transaction } from 'kysely'
import { appendEvents, type OutboxEventType } from '../outbox/outbox-store.ts'
import type { Database } from '../platform/db/tables.ts'

/** Tells other services something about a connection, in the transaction that makes it so; in order per connection. */
export async function appendConnectionEvent(
  trx: Transaction<Database>,
  { id, tenantId }: { id: string; tenantId: string },
  type: OutboxEventType,
  data: Record<string, unknown>,
): Promise<void> {
  const event = { tenantId, connectionId: id, subject: `connection:${id}`, type }
  await appendEvents(trx, [{ ...event, data: { connectionId: id, ...data } }])
}
