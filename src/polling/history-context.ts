import type { ChannelDeps } from '../connections/call-channel.ts'
import type { Connection } from '../connections/connection-store.ts'
import { historyQueue } from '../platform/queue/queues.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import type { Turn } from './history-turn-store.ts'

/** How long the reading of history waits for what, in milliseconds. */
export type HistoryTimes = {
  /** A worker that gives no sign for so long has lost its connection to others. */
  leaseMs: number
  /** A connection gives up its turn after this if it is not out of work before. */
  sliceMs: number
  /** How often a worker without work looks for some. */
  lookEveryMs: number
  /** A change may become visible at Hostaway so much later than its `updatedOn` says. */
  overlapMs: number
  /** Connections that are to be reconciled at the same moment begin this far apart. */
  staggerMs: number
  /** Base of the back-off between attempts. */
  retryDelayMs: number
}

export const defaultHistoryTimes: HistoryTimes = {
  leaseMs: 15_000,
  sliceMs: 2_000,
  lookEveryMs: 1_000,
  overlapMs: 600_000,
  staggerMs: 100,
  retryDelayMs: 1_000,
}

export type HistoryDeps = ChannelDeps & {
  metrics: Metrics
  times: HistoryTimes
}

/** What every dead letter of a connection's history says. */
export function ofHistory({ id, tenantId }: Connection) {
  return { tenantId, connectionId: id, queue: historyQueue } as const
}

/** One turn of a connection, until `endsAt` by `performance.now()`. */
export type HistoryTurn = { deps: HistoryDeps; connection: Connection; turn: Turn; endsAt: number }

// A place in the rate limit that opens so soon is waited for; else the turn goes to somebody else.
export const maxWaitMs = 500

/** The urgency of everything that reads history: an import never delays a stop-sell. */
export const bulkCall = { urgency: 'bulk', maxWaitMs } as const
