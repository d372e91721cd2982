import { openDeadLetter } from '../dead-letters/dead-letter-store.ts'
import type { ImportRow } from '../platform/db/history-tables.ts'
import { type AppError, factsOf } from '../platform/errors.ts'
import { type Decision, decide } from '../platform/work/decide.ts'
import { endImport, findRunningImport, noteImportFailure } from './import-store.ts'
import { ofHistory, type PollingSlice } from './polling-context.ts'

// Together more than an hour, so that an import outlives an outage even where the breaker does not notice one.
const maxAttempts = 20
const maxDelayMs = 900_000
const minPageSize = 25

/**
 * Decides about a failure of the connection's import and notes it: another attempt, with a smaller page where the size
 * may be the reason, or a dead letter. Safe to repeat.
 */
export async function afterImportFailure(
  reading: PollingSlice,
  failure: AppError,
  isHeldUp: boolean,
): Promise<Decision> {
  const { deps, connection } = reading
  const row = await findRunningImport(deps.db, connection.id)
  // A call that opened the breaker, or met an open one, says nothing about the import.
  const isOutage =
    failure.kind !== 'malformed_response' &&
    deps.channels.of(connection.channel).health.breakerState() !== 'closed'
  const policy = { maxAttempts, baseMs: 2 * deps.times.retryDelayMs, maxDelayMs, deferJitterMs: 0 }
  const decision = decide(failure, { attempts: row?.attempts ?? 0, isHeldUp, isOutage }, policy)
  if (row === undefined || decision.outcome === 'defer') return decision
  if (decision.outcome === 'deadLetter') await giveUp(reading, row, failure)
  else {
    const isTooLarge = decision.usesAttempt && pageMayBeTooLarge(failure)
    await noteImportFailure(deps.db, row.id, {
      usesAttempt: decision.usesAttempt,
      pageSize: isTooLarge ? Math.max(minPageSize, Math.floor(row.page_size / 2)) : row.page_size,
      message: failure.message,
    })
  }
  return decision
}

async function giveUp({ deps, connection }: PollingSlice, row: ImportRow, failure: AppError): Promise<void> {
  const payload = { connectionId: connection.id, importId: row.id }
  const ended = await deps.db.transaction().execute(async (trx) => {
    const failed = await endImport(trx, row.id, 'failed', failure.message)
    if (failed === undefined) return false
    await openDeadLetter(trx, deps, {
      ...ofHistory(connection),
      job: 'import',
      subject: row.id,
      payload,
      error: failure,
      attempts: row.attempts + 1,
    })
    return true
  })
  if (ended) deps.metrics.imports.inc({ status: 'failed' })
}

// The channel read the request and did not manage an answer. Without a connection it did not even read it.
function pageMayBeTooLarge(failure: AppError): boolean {
  return factsOf(failure).remote === 'down' && failure.kind !== 'network'
}
