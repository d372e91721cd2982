import { type Connection, findConnection } from '../connections/connection-store.ts'
import type { PollingLeaseRow } from '../platform/db/history-tables.ts'
import { type AppError, factsOf, toAppError } from '../platform/errors.ts'
import { type Decision, decide } from '../platform/work/decide.ts'
import { LeaseLost } from '../platform/work/leases.ts'
import { afterImportFailure } from './import-failure.ts'
import type { PollingDeps, PollingSlice } from './polling-context.ts'
import {
  claimPolling,
  type PollingWork,
  pollingLease,
  pollingLeases,
  settleWork,
} from './polling-lease-store.ts'
import { reconcile } from './reconcile.ts'
import { findReconcile, noteReconcileFailure } from './reconcile-store.ts'
import { refetchPolicy, refetchRequested } from './refetch-requested.ts'
import { runImport } from './run-import.ts'

const goneDeferMs = 5_000
const maxReconcileDelayMs = 300_000
// What a person waits for, then what keeps up with the present, then the past.
const order = [
  { work: 'fetch', column: 'fetch_due_at', run: refetchRequested },
  { work: 'reconcile', column: 'reconcile_due_at', run: reconcile },
  { work: 'import', column: 'import_due_at', run: runImport },
] as const

/**
 * One slice of the connection that has waited longest: requested refetches, its reconcile, its import,
 * each as far as the time of a slice goes. False where no connection has anything to do. Safe to run many times at
 * once: each connection has a lease.
 */
export async function pollNext(deps: PollingDeps): Promise<boolean> {
  const row = await claimPolling(deps.db, deps.times.leaseMs)
  if (row === undefined) return false
  const lease = pollingLease(row)
  try {
    await pollingLeases.hold(deps.db, lease, deps.times.leaseMs, async () => {
      const connection = await findConnection(deps.db, row.connection_id)
      const inMs = connection === undefined ? goneDeferMs : await work(deps, connection, row)
      await pollingLeases.release(deps.db, lease, { inMs })
    })
  } catch (caught) {
    if (!(caught instanceof LeaseLost)) throw caught
    deps.log.warn({ connectionId: row.connection_id }, 'polling.lease_lost')
  }
  return true
}

/** Returns for how long the rate limit, the breaker or its key defers the connection, in milliseconds. */
async function work(deps: PollingDeps, connection: Connection, row: PollingLeaseRow): Promise<number> {
  const reading: PollingSlice = {
    deps,
    connection,
    lease: pollingLease(row),
    endsAt: performance.now() + deps.times.sliceMs,
  }
  for (const { work, column, run } of order) {
    const dueAt = row[column]
    if (dueAt === null || dueAt > row.claimed_at) continue
    try {
      const isOff = work === 'reconcile' && !connection.sync.reconcile.enabled
      if (isOff || (await run(reading))) await settleWork(deps.db, connection.id, { work, dueAt })
    } catch (caught) {
      if (caught instanceof LeaseLost) throw caught
      const failure = toAppError(caught)
      const decision = await after[work](reading, failure, !(await isActive(reading)))
      if (decision.outcome === 'defer') return Math.max(1, decision.until.getTime() - Date.now())
      const line = { connectionId: connection.id, work, kind: failure.kind, reason: failure.message }
      deps.log[factsOf(failure).logLevel](line, 'polling.failed')
      const delay = decision.outcome === 'retry' ? { delayMs: decision.afterMs } : {}
      await settleWork(deps.db, connection.id, { work, dueAt, ...delay })
    }
    if (performance.now() >= reading.endsAt) return 0
  }
  return 0
}

async function isActive({ deps, connection }: PollingSlice): Promise<boolean> {
  return (await findConnection(deps.db, connection.id))?.status === 'active'
}

const after: Record<
  PollingWork,
  (reading: PollingSlice, failure: AppError, isHeldUp: boolean) => Promise<Decision>
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
  { deps: { db, times }, connection }: PollingSlice,
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
    // The cursor may be at fault: behind removed reservations the list is empty or refused.
    beginAnew: decision.outcome === 'deadLetter' || failure.kind === 'malformed_response',
  })
  return decision
}
