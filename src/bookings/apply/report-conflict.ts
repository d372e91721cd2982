import type { Logger } from '../../platform/telemetry/logger.ts'
import type { Metrics } from '../../platform/telemetry/metrics.ts'

export type ConflictDeps = { metrics: Metrics; log: Logger }

/** Counts and logs that a reservation overbooks nights, if it does; the event for other services is in the outbox. */
export function reportConflict(
  { metrics, log }: ConflictDeps,
  connectionId: string,
  { externalId, overbookedWith }: { externalId: string; overbookedWith: string[] },
): void {
  if (overbookedWith.length === 0) return
  metrics.bookingConflicts.inc()
  log.warn({ connectionId, reservation: externalId, with: overbookedWith }, 'booking.conflict')
}
