import { randomInt } from 'node:crypto'
import type { ImportRow } from '../platform/db/history-tables.ts'
import { type AppError, factsOf } from '../platform/errors.ts'
import type { HistoryTurn } from './history-context.ts'
import { endImport, findRunningImport, noteImportFailure } from './import-store.ts'

// Together more than an hour, so that an import outlives an outage even where the breaker does not notice one.
const maxAttempts = 20
const maxDelayMs = 900_000
const minPageSize = 25

/**
 * Sees to a failure of the connection's import: it is tried again after the returned milliseconds, with a smaller page
 * where the size may be the reason, or given up with a dead letter (undefined).
 */
export async function retryOrFailImport(
  reading: HistoryTurn,
  failure: AppError,
): Promise<number | undefined> {
  const { deps, connection } = reading
  const row = await findRunningImport(deps.db, connection.id)
  if (row === undefined) return undefined
  if (factsOf(failure).outcome === 'deadLetter' || row.attempts + 1 >= maxAttempts) {
    await giveUp(reading, row, failure)
    return undefined
  }
  // A call by which the breaker found out, or still knows, that Hostaway is away says nothing about the import.
  const isOutage = failure.kind !== 'malformed_response' && deps.breakerState() !== 'closed'
  await noteImportFailure(deps.db, row.id, {
    usesAttempt: !isOutage,
    pageSize:
      !isOutage && pageMayBeTooLarge(failure)
        ? Math.max(minPageSize, Math.floor(row.page_size / 2))
        : row.page_size,
    message: failure.message,
  })
  return randomInt(Math.min(maxDelayMs, deps.times.retryDelayMs * 2 ** (row.attempts + 1)) + 1)
}

async function giveUp({ deps, connection }: HistoryTurn, row: ImportRow, failure: AppError): Promise<void> {
  const payload = { connectionId: connection.id, importId: row.id }
  const ended = await deps.db.transaction().execute(async (trx) => {
    const failed = await endImport(trx, row.id, 'failed', failure.message)
    if (failed === undefined) return false
    await deps.deadLetter(trx, {
      tenantId: connection.tenantId,
      connectionId: connection.id,
      job: 'import',
      subject: row.id,
      payload,
      error: failure,
      attempts: row.attempts + 1,
    })
    return true
  })
  if (!ended) return
  deps.metrics.imports.inc({ status: 'failed' })
  deps.log.error({ ...payload, kind: failure.kind, reason: failure.message }, 'import.failed')
}

// Hostaway read the request and did not manage an answer. Without a connection it did not even read it.
function pageMayBeTooLarge(failure: AppError): boolean {
  return factsOf(failure).remote === 'down' && failure.kind !== 'network'
}
