import { type Kysely, type Selectable, sql, type Transaction } from 'kysely'
import type { Database, EventOutboxTable } from '../platform/db/tables.ts'

export const outboxEventTypes = [
  'booking.created',
  'booking.updated',
  'booking.cancelled',
  'booking.conflict',
  'availability.blocked',
  'availability.released',
  'connection.connected',
  'connection.paused',
  'connection.needs_reauth',
  'connection.disconnected',
  'connection.webhook_repaired',
  'connection.webhook_silent',
] as const
export type OutboxEventType = (typeof outboxEventTypes)[number]

export type NewOutboxEvent = {
  tenantId: string
  connectionId: string
  /** What the event is about; events of one subject are delivered in order. */
  subject: string
  type: OutboxEventType
  data: Record<string, unknown>
}

export type OutboxEvent = {
  id: string
  tenantId: string
  type: OutboxEventType
  time: Date
  data: unknown
}

/** Appends events in the transaction that causes them: they exist exactly if it commits. */
export async function appendEvents(trx: Transaction<Database>, events: NewOutboxEvent[]): Promise<void> {
  if (events.length === 0) return
  await trx
    .insertInto('event_outbox')
    .values(
      events.map((event) => ({
        tenant_id: event.tenantId,
        connection_id: event.connectionId,
        subject: event.subject,
        type: event.type as OutboxEventType,
        data: JSON.stringify(event.data),
      })),
    )
    .execute()
}

const positionPattern = /^(\d{1,19})-(\d{1,18})$/

/** Whether a text is the id of an event, so that it can be read after. */
export function isEventId(text: string): boolean {
  return positionPattern.test(text)
}

/**
 * Events in order, after the event with the id `after`. Shows only rows of transactions below the snapshot's
 * xmin, ordered by (transaction, row): a transaction still under way can then only append behind what was
 * read. Ordered by row id alone, one that commits late would be skipped for ever.
 */
export async function readEvents(
  db: Kysely<Database>,
  options: { tenantId: string | undefined; after: string | undefined; limit: number },
): Promise<OutboxEvent[]> {
  const [, transaction, row] = positionPattern.exec(options.after ?? '0-0') ?? ['', '0', '0']
  let query = db
    .selectFrom('event_outbox')
    .select(['id', 'transaction_id', 'tenant_id', 'type', 'created_at', 'data'])
    .where(sql<boolean>`transaction_id < pg_snapshot_xmin(pg_current_snapshot())`)
    .where(sql<boolean>`(transaction_id, id) > (${transaction}::text::xid8, ${row}::bigint)`)
    .orderBy('transaction_id')
    .orderBy('id')
    .limit(options.limit)
  if (options.tenantId !== undefined) query = query.where('tenant_id', '=', options.tenantId)
  return (await query.execute()).map(toOutboxEvent)
}

/** The newest events of one subject, oldest first, for its timeline. */
export async function listEventsOfSubject(
  db: Kysely<Database>,
  options: { tenantId: string; subject: string; limit: number },
): Promise<OutboxEvent[]> {
  const newestFirst = await db
    .selectFrom('event_outbox')
    .select(['id', 'transaction_id', 'tenant_id', 'type', 'created_at', 'data'])
    .where('tenant_id', '=', options.tenantId)
    .where('subject', '=', options.subject)
    .orderBy('id', 'desc')
    .limit(options.limit)
    .execute()
  return newestFirst.reverse().map(toOutboxEvent)
}

function toOutboxEvent(
  event: Pick<
    Selectable<EventOutboxTable>,
    'id' | 'transaction_id' | 'tenant_id' | 'type' | 'created_at' | 'data'
  >,
): OutboxEvent {
  return {
    id: `${event.transaction_id}-${event.id}`,
    tenantId: event.tenant_id,
    type: event.type as OutboxEventType,
    time: event.created_at,
    data: event.data,
  }
}
