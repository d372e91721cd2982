import { type Kysely, sql, type Transaction } from 'kysely'
import type { Database, WebhookLogRow, WebhookStatus } from '../platform/db/tables.ts'
import { textArray } from '../platform/db/text-array.ts'

/**
 * For webhooks that are named by their ids: those that have not come to an end. It says what `status = 'received'` says,
 * which would offer the index of all that wait; the server then reads a backlog as a whole to find a few in it.
 */
export const hasNotEnded = sql<boolean>`webhook_logs.processed_at is null`

export type NewWebhook = {
  id: string
  tenantId: string
  connectionId: string
  eventType: string
  sourceEvent: string | null
  externalId: string | null
  /** Text, or its bytes in UTF-8. */
  body: string | Buffer
}

/** Appends webhooks in one statement, committed when it resolves: all of them or none. */
export async function appendWebhooks(db: Kysely<Database>, webhooks: NewWebhook[]): Promise<void> {
  const column = <Key extends keyof NewWebhook>(key: Key) =>
    textArray(webhooks.map((webhook) => webhook[key]))
  await sql`/* prepared: append_webhooks */
    insert into webhook_logs (id, tenant_id, connection_id, event_type, source_event, external_id, body)
    select id::uuid, tenant_id::uuid, connection_id::uuid, event_type, source_event, external_id, body
    from unnest(
      ${column('id')}::text[], ${column('tenantId')}::text[], ${column('connectionId')}::text[],
      ${column('eventType')}::text[], ${column('sourceEvent')}::text[], ${column('externalId')}::text[],
      ${column('body')}::text[]
    ) as webhook (id, tenant_id, connection_id, event_type, source_event, external_id, body)
  `.execute(db)
}

/** Whether an insert failed because of what a row holds (SQLSTATE class 22 or 23), not because of the database. */
export function isDataError(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && /^(22|23)/.test(error.code)
  )
}

/** Notes that jobs exist for these webhooks; those that came to an end meanwhile, or are coming to it now, are left alone. */
export async function markEnqueued(db: Kysely<Database>, ids: string[]): Promise<void> {
  await db
    .updateTable('webhook_logs')
    .set({ enqueued_at: sql<Date>`clock_timestamp()` })
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('webhook_logs')
        .select('id')
        .where('id', '=', sql<string>`any(${ids}::uuid[])`)
        .where(hasNotEnded)
        // Waiting for rows that are being processed could be a circle of waiting.
        .forUpdate()
        .skipLocked(),
    )
    .execute()
}

/**
 * Webhooks that seem to have no job: stored and apparently never enqueued, or enqueued so long ago that the
 * job may be lost. Offering one that is still queued is harmless: it comes to its end once.
 */
export async function findWebhooksToEnqueue(
  db: Kysely<Database>,
  options: { neverEnqueuedForMs: number; enqueuedForMs: number; limit: number },
): Promise<Array<{ id: string; connectionId: string }>> {
  const ago = (milliseconds: number) =>
    sql<Date>`clock_timestamp() - ${milliseconds} * interval '1 millisecond'`
  const rows = await db
    .selectFrom('webhook_logs')
    .select(['id', 'connection_id'])
    .where('status', '=', 'received')
    .where('parked', '=', false)
    .where('received_at', '<', ago(Math.min(options.neverEnqueuedForMs, options.enqueuedForMs)))
    .where((eb) =>
      eb.or([
        eb.and([eb('enqueued_at', 'is', null), eb('received_at', '<', ago(options.neverEnqueuedForMs))]),
        eb('enqueued_at', '<', ago(options.enqueuedForMs)),
      ]),
    )
    .orderBy('received_at')
    .limit(options.limit)
    .execute()
  return rows.map((row) => ({ id: row.id, connectionId: row.connection_id }))
}

export async function findWebhook(
  db: Kysely<Database>,
  id: string,
  tenantId?: string,
): Promise<WebhookLogRow | undefined> {
  let query = db.selectFrom('webhook_logs').selectAll().where('id', '=', id)
  if (tenantId !== undefined) query = query.where('tenant_id', '=', tenantId)
  return query.executeTakeFirst()
}

/** The webhooks that there are of these, in no order. */
export async function findWebhooks(db: Kysely<Database>, ids: string[]): Promise<WebhookLogRow[]> {
  return db
    .selectFrom('webhook_logs')
    .selectAll()
    .where('id', '=', sql<string>`any(${ids}::uuid[])`)
    .execute()
}

/** Locks those of the webhooks that still wait to be processed, in the order of their ids, and names them. */
export async function lockUnprocessedWebhooks(
  trx: Transaction<Database>,
  ids: string[],
): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const rows = await trx
    .selectFrom('webhook_logs')
    .select('id')
    .where('id', '=', sql<string>`any(${ids}::uuid[])`)
    .where(hasNotEnded)
    .orderBy('id')
    .forUpdate()
    .execute()
  return new Set(rows.map(({ id }) => id))
}

export type WebhookEnd = { id: string; status: Exclude<WebhookStatus, 'received'>; outcome: string }

/** Ends a webhook; one that has ended already keeps its first end. Returns its age in seconds if this ended it. */
export async function finishWebhook(
  db: Kysely<Database>,
  id: string,
  end: Omit<WebhookEnd, 'id'>,
): Promise<number | undefined> {
  return (await finishWebhooks(db, [{ id, ...end }])).get(id)
}

/** Ends webhooks, each as `finishWebhook` does; the ages are by id, of those that this ended. */
export async function finishWebhooks(db: Kysely<Database>, ends: WebhookEnd[]): Promise<Map<string, number>> {
  if (ends.length === 0) return new Map()
  const { rows } = await sql<{ id: string; seconds: number }>`
    update webhook_logs
    set status = ended.status, outcome = ended.outcome, processed_at = clock_timestamp()
    from unnest(
      ${ends.map(({ id }) => id)}::uuid[],
      ${ends.map(({ status }) => status)}::text[],
      ${ends.map(({ outcome }) => outcome)}::text[]
    ) as ended (id, status, outcome)
    where webhook_logs.id = ended.id and ${hasNotEnded}
    returning webhook_logs.id,
      extract(epoch from webhook_logs.processed_at - webhook_logs.received_at)::float8 as seconds
  `.execute(db)
  return new Map(rows.map(({ id, seconds }) => [id, seconds]))
}

/** Opens an ended webhook again, so that it can be processed once more; false if there is none that has ended. */
export async function reopenWebhook(db: Kysely<Database>, id: string): Promise<boolean> {
  const result = await db
    .updateTable('webhook_logs')
    .set({
      status: 'received',
      outcome: null,
      processed_at: null,
      enqueued_at: sql<Date>`clock_timestamp()`,
      // It may have come to its end by another way while it was parked.
      parked: false,
    })
    .where('id', '=', id)
    .where('status', '<>', 'received')
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** Webhooks of a tenant (undefined: of all), newest first, without their bodies. */
export async function listWebhooks(
  db: Kysely<Database>,
  options: {
    tenantId: string | undefined
    connectionId?: string | undefined
    status?: WebhookStatus | undefined
    externalId?: string | undefined
    limit: number
    before: string | undefined
  },
): Promise<Omit<WebhookLogRow, 'body' | 'parked'>[]> {
  // The index is by tenant, and the planner must know which one it is.
  const tenantId = options.tenantId ?? (await findTenantOf(db, options.connectionId))
  let query = db
    .selectFrom('webhook_logs')
    .select([
      'id',
      'tenant_id',
      'connection_id',
      'event_type',
      'source_event',
      'external_id',
      'status',
      'outcome',
      'received_at',
      'enqueued_at',
      'processed_at',
    ])
    .orderBy('id', 'desc')
    .limit(options.limit + 1)
  if (tenantId !== undefined) query = query.where('tenant_id', '=', tenantId)
  if (options.connectionId !== undefined) query = query.where('connection_id', '=', options.connectionId)
  if (options.status !== undefined) query = query.where('status', '=', options.status)
  if (options.externalId !== undefined) query = query.where('external_id', '=', options.externalId)
  if (options.before !== undefined) query = query.where('id', '<', options.before)
  return query.execute()
}

async function findTenantOf(
  db: Kysely<Database>,
  connectionId: string | undefined,
): Promise<string | undefined> {
  if (connectionId === undefined) return undefined
  const row = await db
    .selectFrom('hostaway_connections')
    .select('tenant_id')
    .where('id', '=', connectionId)
    .executeTakeFirst()
  return row?.tenant_id
}

/** The newest webhooks that spoke of one reservation, oldest first, for its timeline. */
export async function listWebhooksOfReservation(
  db: Kysely<Database>,
  reservation: { connectionId: string; externalId: string; limit: number },
): Promise<
  Array<Pick<WebhookLogRow, 'id' | 'event_type' | 'status' | 'outcome' | 'received_at' | 'processed_at'>>
> {
  const newestFirst = await db
    .selectFrom('webhook_logs')
    .select(['id', 'event_type', 'status', 'outcome', 'received_at', 'processed_at'])
    .where('connection_id', '=', reservation.connectionId)
    .where('external_id', '=', reservation.externalId)
    // A task or a message may have the same id as a reservation.
    .where('event_type', 'like', 'reservation.%')
    .orderBy('id', 'desc')
    .limit(reservation.limit)
    .execute()
  return newestFirst.reverse()
}

/** Age in seconds of the oldest webhook that has not come to an end and is not parked; 0 if there is none. */
export async function oldestUnprocessedSeconds(db: Kysely<Database>): Promise<number> {
  const row = await db
    .selectFrom('webhook_logs')
    .select(
      sql<number | null>`extract(epoch from clock_timestamp() - min(received_at))::float8`.as('seconds'),
    )
    .where('status', '=', 'received')
    .where('parked', '=', false)
    .executeTakeFirst()
  return row?.seconds ?? 0
}

/** Seconds since the last webhook, the longest of the active connections; a connection without any counts from its start. */
export async function longestSilenceSeconds(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ seconds: number | null }>`
    select extract(epoch from max(clock_timestamp() - coalesce(last.received_at, connection.created_at)))::float8 as seconds
    from hostaway_connections connection
    left join lateral (
      select received_at from webhook_logs
      where tenant_id = connection.tenant_id and connection_id = connection.id order by id desc limit 1
    ) last on true
    where connection.status = 'active'
  `.execute(db)
  return rows[0]?.seconds ?? 0
}

export type QueuedEnd = {
  connectionId: string
  externalId: string
  /** What became of the webhook that brought the newest version, if one did; the ones before it were superseded. */
  newest: { id: string | null; outcome: string } | null
}

/** Ends the webhooks of reservations that waited for a person and do not any more. Safe to repeat. */
export async function endQueuedWebhooks(trx: Transaction<Database>, ends: QueuedEnd[]): Promise<void> {
  if (ends.length === 0) return
  await sql`
    update webhook_logs
    set status = 'processed', processed_at = clock_timestamp(),
      outcome = case when webhook_logs.id = ended.webhook_id then ended.outcome else 'superseded' end
    from unnest(
      ${ends.map(({ connectionId }) => connectionId)}::uuid[],
      ${ends.map(({ externalId }) => externalId)}::text[],
      ${ends.map(({ newest }) => newest?.id ?? null)}::uuid[],
      ${ends.map(({ newest }) => newest?.outcome ?? null)}::text[]
    ) as ended (connection_id, external_id, webhook_id, outcome)
    where webhook_logs.external_id = ended.external_id and webhook_logs.connection_id = ended.connection_id
      and webhook_logs.status = 'queued'
  `.execute(trx)
}
