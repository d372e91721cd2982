import { type Connection, findConnection } from '../connections/connection-store.ts'
import type { HistoryTurnRow } from '../platform/db/history-tables.ts'
import { type AppError, factsOf, toAppError } from '../platform/errors.ts'
import { type Decision, decide } from '../platform/work/decide.ts'
import type { HistoryDeps, HistoryTurn } from './history-context.ts'
import {
  claimTurn,
  type HistoryWork,
  holdTurn,
  releaseTurn,
  settleWork,
  TurnLost,
} from './history-turn-store.ts'
import { afterImportFailure } from './import-failure.ts'
import { reconcile } from './reconcile.ts'
import { findReconcile, noteReconcileFailure } from './reconcile-store.ts'
import { refetchPolicy, refetchRequested } from './refetch-requested.ts'
import { runImport } from './run-import.ts'

const deferMs = 5_000
const maxReconcileDelayMs = 300_000
// What a person waits for, then what keeps up with the present, then the past.
const order = [
  { work: 'fetch', column: 'fetch_due_at', run: refetchRequested },
  { work: 'reconcile', column: 'reconcile_due_at', run: reconcile },
  { work: 'import', column: 'import_due_at', run: runImport },
] as const

/**
 * One turn of the connection that has waited longest: fetches what is wanted, reconciles, goes on with its import, each
 * as far as the time of a turn goes. False where no connection has anything to do. Safe to run many times at once:
 * each connection has a lease, and what a dead worker held is taken over when it runs out.
 */
export async function takeTurn(deps: HistoryDeps): Promise<boolean> {
  const row = await claimTurn(deps.db, deps.times.leaseMs)
  if (row === undefined) return false
  const turn = { connectionId: row.connection_id, fence: row.fence }
  const sign = setInterval(() => {
    // Who has lost the turn meanwhile learns of it with the next page.
    holdTurn(deps.db, turn, deps.times.leaseMs).catch(() => undefined)
  }, deps.times.leaseMs / 3)
  try {
    const connection = await findConnection(deps.db, row.connection_id)
    const waitMs = connection === undefined ? deferMs : await work(deps, connection, row)
    await releaseTurn(deps.db, turn, waitMs)
  } catch (caught) {
    if (!(caught instanceof TurnLost)) throw caught
    deps.log.warn({ connectionId: row.connection_id }, 'history.turn_lost')
  } finally {
    clearInterval(sign)
  }
  return true
}

/** Returns for how long the connection has to wait because the rate limit, the breaker or its key says so. */
async function work(deps: HistoryDeps, connection: Connection, row: HistoryTurnRow): Promise<number> {
  const reading: HistoryTurn = {
    deps,
    connection,
    turn: { connectionId: row.connection_id, fence: row.fence },
    endsAt: performance.now() + deps.times.sliceMs,
  }
  for (const { work, column, run } of order) {
    const dueAt = row[column]
    if (dueAt === null || dueAt > row.last_turn_at) continue
    try {
      const isOff = work === 'reconcile' && !connection.sync.reconcile.enabled
      if (isOff || (await run(reading))) await settleWork(deps.db, connection.id, { work, dueAt })
    } catch (caught) {
      if (caught instanceof TurnLost) throw caught
      const failure = toAppError(caught)
      const decision = await after[work](reading, failure, !(await isActive(reading)))
      if (decision.outcome === 'defer') return Math.max(1, decision.until.getTime() - Date.now())
      const line = { connectionId: connection.id, work, kind: failure.kind, reason: failure.message }
      deps.log[factsOf(failure).logLevel](line, 'history.failed')
      const delay = decision.outcome === 'retry' ? { delayMs: decision.afterMs } : {}
      await settleWork(deps.db, connection.id, { work, dueAt, ...delay })
    }
    if (performance.now() >= reading.endsAt) return 0
  }
  return 0
}

async function isActive({ deps, connection }: HistoryTurn): Promise<boolean> {
  return (await findConnection(deps.db, connection.id))?.status === 'active'
}

const after: Record<
  HistoryWork,
  (reading: HistoryTurn, failure: AppError, isHeldUp: boolean) => Promise<Decision>
> = {
  import: afterImportFailure,
  reconcile: afterReconcileFailure,
  async fetch({ deps: { times } }, failure, isHeldUp) {
    const decision = decide(failure, { attempts: 0, isHeldUp }, refetchPolicy(times))
    // What was asked for stays asked for: whatever stopped the whole list is no failure of one reservation.
    const afterMs = times.retryDelayMs
    return decision.outcome === 'defer' ? decision : { outcome: 'retry', afterMs, usesAttempt: false }
  },
}

// Reconciliation never ends: where no attempt would help, the next one comes by the clock.
async function afterReconcileFailure(
  { deps: { db, times }, connection }: HistoryTurn,
  failure: AppError,
  isHeldUp: boolean,
): Promise<Decision> {
  const { attempts = 0 } = (await findReconcile(db, connection.id)) ?? {}
  const decision = decide(
    failure,
    { attempts, isHeldUp },
    {
      maxAttempts: Number.POSITIVE_INFINITY,
      baseMs: 2 * times.retryDelayMs,
      maxDelayMs: maxReconcileDelayMs,
      deferJitterMs: 0,
    },
  )
  if (decision.outcome === 'defer') return decision
  await noteReconcileFailure(db, connection.id, {
    message: failure.message,
    // It may be the place: behind reservations that are gone the list does not go on, or is refused.
    beginAnew: decision.outcome === 'deadLetter' || failure.kind === 'malformed_response',
  })
  return decision
}
