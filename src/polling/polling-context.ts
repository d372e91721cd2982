import type { ChannelDeps } from '../connections/call-channel.ts'
import type { Connection } from '../connections/connection-store.ts'
import type { Metrics, WorkName } from '../platform/telemetry/metrics.ts'
import { defaultLeaseMs, type Lease } from '../platform/work/leases.ts'

export const historyWork = 'history' satisfies WorkName

/** How long the reading of history waits for what, in milliseconds. */
export type HistoryTimes = {
  /** A lease without heartbeats ends after this. */
  leaseMs: number
  /** A connection ends its slice after this if it has not run out of work before. */
  sliceMs: number
  /** How often a worker without work looks for some. */
  lookEveryMs: number
  /** A change may become visible at the channel so much later than its `updatedOn` says. */
  overlapMs: number
  /** Connections that are to be reconciled at the same moment begin this far apart. */
  staggerMs: number
  /** Base of the back-off between attempts. */
  retryDelayMs: number
}

export const defaultHistoryTimes: HistoryTimes = {
  leaseMs: defaultLeaseMs,
  sliceMs: 2_000,
  lookEveryMs: 1_000,
  overlapMs: 600_000,
  staggerMs: 100,
  retryDelayMs: 1_000,
}

export type PollingDeps = ChannelDeps & {
  metrics: Metrics
  times: HistoryTimes
}

/** Fields that all dead letters of a connection's polling share. */
export function ofHistory({ id, tenantId }: Connection) {
  return { tenantId, connectionId: id, queue: historyWork } as const
}

/** One slice of a connection's polling, until `endsAt` by `performance.now()`. */
export type PollingSlice = { deps: PollingDeps; connection: Connection; lease: Lease; endsAt: number }

// A call waits for room in the rate limit for so long; else another connection has its slice.
export const maxWaitMs = 500

/** The urgency of everything that reads history: an import never delays a stop-sell. */
export const bulkCall = { urgency: 'bulk', maxWaitMs } as const
