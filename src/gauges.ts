import { countWaitingPushes } from './bookings/outgoing/push-turn-store.ts'
import { countWaiting } from './calendar/sync-status-store.ts'
import { countConnections, oldestKeySeconds } from './connections/connection-store.ts'
import { countOpenDeadLetters } from './dead-letters/dead-letter-store.ts'
import type { Deps } from './deps.ts'
import { countRunningImports } from './polling/import-store.ts'
import { longestUnreconciledSeconds } from './polling/reconcile-store.ts'
import { longestSilenceSeconds, oldestUnprocessedSeconds } from './webhooks/webhook-log.ts'

const statuses = ['connecting', 'active', 'paused', 'needs_reauth', 'disconnected'] as const

/** Fills the gauges that are read from the database and the limiter; a scrape while the database is away keeps the old values. */
export async function refreshGauges({ db, metrics, limiter, log }: Deps): Promise<void> {
  try {
    const [connections, keyAge, deadLetters, oldest, silence, waiting, bookings, imports, unreconciled] =
      await Promise.all([
        countConnections(db),
        oldestKeySeconds(db),
        countOpenDeadLetters(db),
        oldestUnprocessedSeconds(db),
        longestSilenceSeconds(db),
        countWaiting(db),
        countWaitingPushes(db),
        countRunningImports(db),
        longestUnreconciledSeconds(db),
        limiter.available(),
      ])
    for (const status of statuses) {
      const found = connections.find((entry) => entry.status === status)
      metrics.connections.set({ status }, found?.count ?? 0)
    }
    metrics.connectionKeyAge.set(keyAge)
    metrics.deadLettersOpen.set(deadLetters)
    metrics.oldestUnprocessedWebhook.set(oldest)
    metrics.lastWebhookAge.set(silence)
    metrics.syncQueueLength.set({ sync_type: 'calendar' }, waiting.calendars)
    metrics.syncQueueLength.set({ sync_type: 'listing' }, waiting.details)
    metrics.syncPendingDays.set(waiting.days)
    metrics.importsRunning.set(imports)
    metrics.lastReconcileAge.set(unreconciled)
    metrics.bookingPushesWaiting.set(bookings)
  } catch (error) {
    log.warn({ err: error }, 'metrics.refresh_failed')
  }
}
