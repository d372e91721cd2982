import { findConnection } from '../connections/connection-store.ts'
import { type JobQueues, outboundQueue } from '../platform/queue/queues.ts'
import { claimListing, lowestUrgency } from './lease-store.ts'
import type { PushDeps } from './push-context.ts'
import { pushListing } from './push-listing.ts'
import { signalConnections } from './signal-connections.ts'
import { noteDeferral, othersAreDue, readTurn } from './turn-store.ts'

export type SyncDeps = PushDeps & { queues: Pick<JobQueues, 'enqueueSync' | 'dueJobs'> }

const longWaitMs = 1_000

/**
 * One turn of a connection: pushes what is due, most urgent first, until nothing is, its time is over, or the rate
 * limit or the breaker says "not now"; then sees to its next turn. It works on one listing at a time while others have
 * something due, and ends its turn while their jobs wait for a worker; whose call is next, the limiter decides. Safe to
 * run twice and at the same time: each listing has a lease.
 */
export async function syncConnection(deps: SyncDeps, connectionId: string): Promise<string> {
  const connection = await findConnection(deps.db, connectionId)
  // The sweep offers it again once it is active.
  if (connection?.status !== 'active') return 'connection_waiting'
  const turn = await readTurn(deps.db, connectionId)
  const state = {
    above: turn?.above ?? lowestUrgency + 1,
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
