import { type Kysely, sql, type Transaction } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Database, DeadLetterRow, DeadLetterStatus } from '../platform/db/tables.ts'
import type { FailureKind } from '../platform/errors.ts'
import { type QueueName, queueNames } from '../platform/telemetry/metrics.ts'

export type NewDeadLetter = {
  tenantId: string | null
  connectionId: string | null
  queue: QueueName
  job: string
  /** What the job is about; a subject has at most one open dead letter per queue. */
  subject: string
  /** Ids only. */
  payload: Record<string, string>
  kind: FailureKind
  message: string
  attempts: number
  traceId: string | undefined
}

const maxMessage = 1_000

/** Keeps a job that failed for good; a second one about the same subject updates the open row. */
export async function insertDeadLetter(db: Kysely<Database>, letter: NewDeadLetter): Promise<void> {
  const failure = {
    kind: letter.kind,
    message: letter.message.slice(0, maxMessage),
    attempts: letter.attempts,
    trace_id: letter.traceId ?? null,
  }
  await db
    .insertInto('dead_letter_queue')
    .values({
      id: uuid(),
      tenant_id: letter.tenantId,
      connection_id: letter.connectionId,
      queue: letter.queue,
      job: letter.job,
      subject: letter.subject,
      payload: JSON.stringify(letter.payload),
      ...failure,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['queue', 'subject'])
        .where('status', '=', 'open')
        .doUpdateSet({ ...failure, last_failed_at: sql<Date>`now()` }),
    )
    .execute()
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

/** Moves an open dead letter to `replayed`; false if it was not open any more. */
export async function markReplayed(trx: Transaction<Database>, id: string): Promise<boolean> {
  const result = await trx
    .updateTable('dead_letter_queue')
    .set({ status: 'replayed', replayed_at: sql<Date>`now()` })
    .where('id', '=', id)
    .where('status', '=', 'open')
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** Moves an open dead letter to `discarded`; false if it was not open any more. */
export async function markDiscarded(db: Kysely<Database>, id: string, reason: string): Promise<boolean> {
  const result = await db
    .updateTable('dead_letter_queue')
    .set({ status: 'discarded', discarded_at: sql<Date>`now()`, discard_reason: reason })
    .where('id', '=', id)
    .where('status', '=', 'open')
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
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
    .where('queue', 'in', [...queueNames])
    .limit(1)
    .executeTakeFirst()
}
