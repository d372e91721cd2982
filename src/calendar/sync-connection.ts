import { findConnection } from '../connections/connection-store.ts'
import { type JobQueues, outboundQueue } from '../platform/queue/queues.ts'
import {
  claimListing,
  lowestUrgency,
  noteDeferral,
  othersAreDue,
  readDeferral,
} from './listing-push-store.ts'
import type { PushDeps } from './push-context.ts'
import { pushListing } from './push-listing.ts'
import { signalConnections } from './sweep-pushes.ts'

export type SyncDeps = PushDeps & { queues: Pick<JobQueues, 'enqueueSync' | 'dueJobs'> }

const longWaitMs = 1_000

/**
 * One slice of a connection's work: pushes what is due, most urgent first, until nothing is, its time is over, or the
 * rate limit or the breaker defers it; then signals its next slice. It works on one listing at a time while other
 * connections have something due, and ends while their jobs wait for a worker; the limiter decides whose call is next.
 * Safe to run twice and at the same time: each listing has a lease.
 */
export async function syncConnection(deps: SyncDeps, connectionId: string): Promise<string> {
  const connection = await findConnection(deps.db, connectionId)
  // The sweep offers it again once it is active.
  if (connection?.status !== 'active') return 'connection_waiting'
  const state = {
    above: (await readDeferral(deps.db, connectionId)) ?? lowestUrgency + 1,
    taken: 0,
    waitUntil: undefined as Date | undefined,
  }
  const endsAt = performance.now() + deps.times.sliceMs

  const mayGoOn = async () =>
    state.taken === 0 || (performance.now() < endsAt && state.above > 0 && !(await jobsWait(deps.queues)))

  async function workThrough(): Promise<void> {
    while (await mayGoOn()) {
      const row = await claimListing(deps.db, connectionId, {
        leaseMs: deps.times.leaseMs,
        above: state.above,
      })
      if (row === undefined || connection === undefined) return
      state.taken += 1
      const result = await pushListing(deps, connection, row)
      if (result.outcome !== 'not_now') continue
      if (result.urgency >= state.above) continue
      state.above = result.urgency
      state.waitUntil = result.retryAt
    }
  }

  const isAlone = !(await othersAreDue(deps.db, connectionId))
  await Promise.all(Array.from({ length: isAlone ? deps.times.parallel : 1 }, workThrough))
  if (state.waitUntil !== undefined) {
    const inMs = Math.max(0, state.waitUntil.getTime() - Date.now())
    await noteDeferral(deps.db, connectionId, { inMs, urgency: state.above })
  }
  const inMs = await signalConnections(deps.db, deps.queues, [connectionId])
  // A signal that came between the look and ours was replaced by it.
  if (inMs !== undefined && inMs > longWaitMs) await signalConnections(deps.db, deps.queues, [connectionId])
  return `${state.taken} listings${state.waitUntil === undefined ? '' : ', then to wait'}`
}

async function jobsWait(queues: Pick<JobQueues, 'dueJobs'>): Promise<boolean> {
  try {
    return (await queues.dueJobs(outboundQueue)) > 0
  } catch {
    return false
  }
}
