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
  subject: string
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

const eventColumns = ['id', 'transaction_id', 'tenant_id', 'type', 'created_at', 'subject', 'data'] as const

const positionPattern = /^(\d{1,18})-(\d{1,18})$/

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
  options: {
    tenantId: string | undefined
    after: string | undefined
    limit: number
    /** Only these types; undefined for all. */
    types?: OutboxEventType[] | undefined
  },
): Promise<OutboxEvent[]> {
  const [, transaction, row] = positionPattern.exec(options.after ?? '0-0') ?? ['', '0', '0']
  let query = db
    .selectFrom('event_outbox')
    .select(eventColumns)
    .where(sql<boolean>`transaction_id < pg_snapshot_xmin(pg_current_snapshot())`)
    .where(sql<boolean>`(transaction_id, id) > (${transaction}::text::xid8, ${row}::bigint)`)
    .orderBy('transaction_id')
    .orderBy('id')
    .limit(options.limit)
  if (options.tenantId !== undefined) query = query.where('tenant_id', '=', options.tenantId)
  if (options.types !== undefined) query = query.where('type', 'in', options.types)
  return (await query.execute()).map(toOutboxEvent)
}

/** The id of the newest event that `readEvents` shows in the same snapshot, of whatever type. */
export async function newestEventId(
  db: Kysely<Database>,
  tenantId: string | undefined,
): Promise<string | undefined> {
  let query = db
    .selectFrom('event_outbox')
    .select(['id', 'transaction_id'])
    .where(sql<boolean>`transaction_id < pg_snapshot_xmin(pg_current_snapshot())`)
    .orderBy('transaction_id', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
  if (tenantId !== undefined) query = query.where('tenant_id', '=', tenantId)
  const row = await query.executeTakeFirst()
  return row === undefined ? undefined : `${row.transaction_id}-${row.id}`
}

/** Whether an event with this id could have happened here: its transaction is not one of the future. */
export async function isOfThisDatabase(db: Kysely<Database>, eventId: string): Promise<boolean> {
  const [, transaction] = positionPattern.exec(eventId) ?? []
  const { rows } = await sql<{ known: boolean }>`
    select ${transaction}::text::xid8 < pg_snapshot_xmax(pg_current_snapshot()) as known
  `.execute(db)
  return rows[0]?.known === true
}

/** The newest events of one subject, oldest first, for its timeline. */
export async function listEventsOfSubject(
  db: Kysely<Database>,
  options: { tenantId: string; subject: string; limit: number },
): Promise<OutboxEvent[]> {
  const newestFirst = await db
    .selectFrom('event_outbox')
    .select(eventColumns)
    .where('tenant_id', '=', options.tenantId)
    .where('subject', '=', options.subject)
    .orderBy('id', 'desc')
    .limit(options.limit)
    .execute()
  return newestFirst.reverse().map(toOutboxEvent)
}

function toOutboxEvent(
  event: Pick<Selectable<EventOutboxTable>, (typeof eventColumns)[number]>,
): OutboxEvent {
  return {
    id: `${event.transaction_id}-${event.id}`,
    tenantId: event.tenant_id,
    type: event.type as OutboxEventType,
    time: event.created_at,
    subject: event.subject,
    data: event.data,
  }
}
