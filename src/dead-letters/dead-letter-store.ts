import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Database, DeadLetterRow, DeadLetterStatus } from '../platform/db/tables.ts'
import type { AppError } from '../platform/errors.ts'
import type { Logger } from '../platform/telemetry/logger.ts'
import { type Metrics, type WorkName, workNames } from '../platform/telemetry/metrics.ts'
import { currentTraceId } from '../platform/telemetry/tracing.ts'

export type NewDeadLetter = {
  tenantId: string | null
  connectionId: string | null
  queue: WorkName
  job: string
  /** What the work is about; a subject has at most one open dead letter per queue. */
  subject: string
  /** Ids only. */
  payload: Record<string, string>
  error: AppError
  attempts: number
}

const maxMessage = 1_000

/**
 * Keeps work that failed for good, in the transaction that marks its subject as failed, logs it at error and counts it.
 * Safe to repeat: a second failure of the same subject updates the open row.
 */
export async function openDeadLetter(
  trx: Kysely<Database>,
  { log, metrics }: { log: Logger; metrics: Pick<Metrics, 'deadLetters'> },
  { tenantId, connectionId, queue, job, subject, payload, error, attempts }: NewDeadLetter,
): Promise<void> {
  const { kind, message } = error
  const failure = {
    kind,
    message: message.slice(0, maxMessage),
    attempts,
    trace_id: currentTraceId() ?? null,
  }
  await trx
    .insertInto('dead_letter_queue')
    .values({
      id: uuid(),
      tenant_id: tenantId,
      connection_id: connectionId,
      queue,
      job,
      subject,
      payload: JSON.stringify(payload),
      ...failure,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['queue', 'subject'])
        .where('status', '=', 'open')
        .doUpdateSet({ ...failure, last_failed_at: sql<Date>`now()` }),
    )
    .execute()
  metrics.deadLetters.inc({ queue, kind })
  log.error({ queue, job, subject, ...payload, kind, reason: message, attempts }, 'dead_letter.opened')
}

export async function findDeadLetter(
  db: Kysely<Database>,
  id: string,
  tenantId: string | undefined,
): Promise<DeadLetterRow | undefined> {
  let query = db.selectFrom('dead_letter_queue').selectAll().where('id', '=', id)
  if (tenantId !== undefined) query = query.where('tenant_id', '=', tenantId)
  return query.executeTakeFirst()
}

export type DeadLetterFilter = {
  tenantId: string | undefined
  status?: DeadLetterStatus | undefined
  queue?: string | undefined
  kind?: string | undefined
  connectionId?: string | undefined
  before?: string | undefined
  limit: number
}

/** Dead letters, newest first. */
export async function listDeadLetters(
  db: Kysely<Database>,
  filter: DeadLetterFilter,
): Promise<DeadLetterRow[]> {
  let query = db
    .selectFrom('dead_letter_queue')
    .selectAll()
    .orderBy('id', 'desc')
    .limit(filter.limit + 1)
  if (filter.tenantId !== undefined) query = query.where('tenant_id', '=', filter.tenantId)
  if (filter.status !== undefined) query = query.where('status', '=', filter.status)
  if (filter.queue !== undefined) query = query.where('queue', '=', filter.queue)
  if (filter.kind !== undefined) query = query.where('kind', '=', filter.kind)
  if (filter.connectionId !== undefined) query = query.where('connection_id', '=', filter.connectionId)
  if (filter.before !== undefined) query = query.where('id', '<', filter.before)
  return query.execute()
}

/** Moves an open dead letter to `replayed`; false if it was not open. */
export async function markReplayed(trx: Transaction<Database>, id: string): Promise<boolean> {
  const result = await trx
    .updateTable('dead_letter_queue')
    .set({ status: 'replayed', replayed_at: sql<Date>`now()` })
    .where('id', '=', id)
    .where('status', '=', 'open')
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** Moves an open dead letter to `discarded`; false if it was not open. */
export async function markDiscarded(db: Kysely<Database>, id: string, reason: string): Promise<boolean> {
  const result = await db
    .updateTable('dead_letter_queue')
    .set({ status: 'discarded', discarded_at: sql<Date>`now()`, discard_reason: reason })
    .where('id', '=', id)
    .where('status', '=', 'open')
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** Closes the open dead letter of a subject, whose work was done or started again. Safe to repeat. */
export async function closeDeadLetterOf(
  trx: Transaction<Database>,
  { queue, subject }: Pick<NewDeadLetter, 'queue' | 'subject'>,
): Promise<void> {
  await trx
    .updateTable('dead_letter_queue')
    .set({ status: 'replayed', replayed_at: sql<Date>`now()` })
    .where('queue', '=', queue)
    .where('subject', '=', subject)
    .where('status', '=', 'open')
    .execute()
}

/** Discards the open dead letters of a queue that became pointless; `letter` is their row in the condition. */
export async function discardDeadLetters(
  trx: Transaction<Database>,
  { queue, reason, where }: { queue: WorkName; reason: string; where: RawBuilder<boolean> },
): Promise<void> {
  await sql`
    update dead_letter_queue letter set status = 'discarded', discarded_at = now(), discard_reason = ${reason}
    where letter.status = 'open' and letter.queue = ${queue} and ${where}
  `.execute(trx)
}

export async function countOpenDeadLetters(db: Kysely<Database>): Promise<number> {
  const row = await db
    .selectFrom('dead_letter_queue')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .where('status', '=', 'open')
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

export async function findOpenDeadLetterOf(
  db: Kysely<Database>,
  subject: string,
): Promise<DeadLetterRow | undefined> {
  return db
    .selectFrom('dead_letter_queue')
    .selectAll()
    .where('subject', '=', subject)
    .where('status', '=', 'open')
    .where('queue', 'in', [...workNames])
    .limit(1)
    .executeTakeFirst()
}
