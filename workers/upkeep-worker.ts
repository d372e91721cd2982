import { releaseWaiting } from '../src/bookings/apply/release-waiting.ts'
import { sweepBookingPushes } from '../src/bookings/outgoing/signal-bookings.ts'
import { continueRemaps } from '../src/bookings/remap/remap-bookings.ts'
import { checkForDrift, runScheduledSyncs, sweepPushes } from '../src/calendar/sweep-pushes.ts'
import { watchWebhooks } from '../src/connections/watch-webhooks.ts'
import type { Deps } from '../src/deps.ts'
import { parseCron } from '../src/platform/config/cron-times.ts'
import { pruneIdempotencyKeys } from '../src/platform/db/idempotency-keys.ts'
import { withLeaderLock } from '../src/platform/db/leader-lock.ts'
import { upkeepQueue } from '../src/platform/queue/queues.ts'
import type { Logger } from '../src/platform/telemetry/logger.ts'
import { cancelImportsOfDisconnected } from '../src/polling/import-store.ts'
import { scheduleReconciles } from '../src/polling/sweep-history.ts'
import { pruneWebhooks } from '../src/webhooks/prune-webhooks.ts'
import { type SweepOptions, sweepWebhooks } from '../src/webhooks/sweep-webhooks.ts'

export type UpkeepTask = { name: string; everyMs: number; run: () => Promise<void> }
export type UpkeepHandle = { close(): Promise<void> }

export type UpkeepTimes = SweepOptions & {
  sweepEveryMs: number
  releaseEveryMs: number
  pruneEveryMs: number
  /** How often is looked for connections of which Hostaway is to be asked. */
  watchEveryMs: number
  /** Work for Hostaway that could have been done for so long has lost its job. */
  pushOverdueMs: number
  scheduleEveryMs: number
  /** A listing is read back, to find drift, when that was not done for so long. */
  driftAfterMs: number
  remapEveryMs: number
}

export const defaultUpkeepTimes: UpkeepTimes = {
  sweepEveryMs: 2_000,
  releaseEveryMs: 5_000,
  neverEnqueuedForMs: 3_000,
  enqueuedForMs: 60_000,
  pruneEveryMs: 60_000,
  watchEveryMs: 15_000,
  pushOverdueMs: 1_000,
  scheduleEveryMs: 15_000,
  driftAfterMs: 86_400_000,
  remapEveryMs: 1_000,
}

// Short enough for a process that must end.
const remapSliceMs = 2_000

/**
 * Calls each folder's own sweep. Timers of this process, not jobs of the queue: a Redis that lost its jobs would have
 * lost the scheduler along with them (docs/decisions/0020).
 */
export function startUpkeep(deps: Deps, times: UpkeepTimes = defaultUpkeepTimes): UpkeepHandle {
  const { sweepEveryMs, releaseEveryMs, pruneEveryMs, watchEveryMs, ...sweep } = times
  const { config, db, queues, log, metrics } = deps
  let sweptAt = performance.now()
  const showProgress = () =>
    metrics.workerLastProgress.set({ queue: upkeepQueue }, (performance.now() - sweptAt) / 1_000)
  return startTasks(log, [
    {
      name: 'sweep-webhooks',
      everyMs: sweepEveryMs,
      async run() {
        showProgress()
        const offered = await withLeaderLock(db, 'sweep-webhooks', () => sweepWebhooks(db, queues, sweep))
        // A process that holds the lock without sweeping must not block the sweep for ever.
        if (offered === undefined) return
        if (offered > 0) log.info({ webhooks: offered }, 'webhook.swept')
        sweptAt = performance.now()
        showProgress()
      },
    },
    {
      name: 'release-waiting',
      everyMs: releaseEveryMs,
      async run() {
        const released = await withLeaderLock(db, 'release-waiting', () => releaseWaiting(db))
        if (released !== undefined && released > 0) {
          log.info({ reservations: released }, 'booking_queue.released')
        }
      },
    },
    {
      name: 'prune-webhooks',
      everyMs: pruneEveryMs,
      async run() {
        const days = config.WEBHOOK_RETENTION_DAYS
        const pruned = await withLeaderLock(db, 'prune-webhooks', () => pruneWebhooks(db, { days }))
        if (pruned !== undefined && pruned > 0) log.info({ webhooks: pruned, days }, 'webhook.pruned')
      },
    },
    {
      name: 'watch-webhooks',
      everyMs: watchEveryMs,
      async run() {
        await withLeaderLock(db, 'watch-webhooks', () => watchWebhooks(deps))
      },
    },
    {
      name: 'remap-bookings',
      everyMs: times.remapEveryMs,
      async run() {
        await withLeaderLock(db, 'remap-bookings', () => continueRemaps({ db, log }, remapSliceMs))
      },
    },
    ...outboundTasks(deps, times),
    historyTask(deps, times),
  ])
}

function historyTask({ config, db, log, metrics, historyTimes }: Deps, times: UpkeepTimes): UpkeepTask {
  const cron = parseCron(config.HOSTAWAY_RECONCILE_CRON)
  return {
    name: 'history',
    everyMs: times.scheduleEveryMs,
    async run() {
      await withLeaderLock(db, 'history', async () => {
        const schedules = await scheduleReconciles(db, cron, historyTimes.staggerMs)
        if (schedules > 0) log.info({ schedules }, 'reconcile.scheduled')
        metrics.imports.inc({ status: 'cancelled' }, await cancelImportsOfDisconnected(db))
      })
    },
  }
}

function outboundTasks({ config, db, queues, log }: Deps, times: UpkeepTimes): UpkeepTask[] {
  const crons = {
    availability: parseCron(config.HOSTAWAY_SYNC_AVAILABILITY_CRON),
    pricing: parseCron(config.HOSTAWAY_SYNC_PRICING_CRON),
    listings: parseCron(config.HOSTAWAY_SYNC_LISTINGS_CRON),
  }
  return [
    {
      name: 'sweep-pushes',
      everyMs: times.sweepEveryMs,
      async run() {
        await withLeaderLock(db, 'sweep-pushes', async () => {
          await sweepPushes(db, queues, times.pushOverdueMs)
          await sweepBookingPushes(db, queues, times.pushOverdueMs)
        })
      },
    },
    {
      name: 'scheduled-syncs',
      everyMs: times.scheduleEveryMs,
      async run() {
        await withLeaderLock(db, 'scheduled-syncs', async () => {
          const ran = await runScheduledSyncs(db, queues, crons)
          if (ran.length > 0) log.info({ syncs: ran }, 'sync.scheduled')
          await checkForDrift(db, queues, times.driftAfterMs)
          await pruneIdempotencyKeys(db)
        })
      },
    },
  ]
}

/** Runs each task again and again, one run at a time; a failed run is logged and the next one comes as usual. */
export function startTasks(log: Logger, tasks: UpkeepTask[]): UpkeepHandle {
  const running = new Set<Promise<void>>()
  const timers = tasks.map(({ name, everyMs, run }) => {
    let busy = false
    return setInterval(() => {
      if (busy) return
      busy = true
      const finished: Promise<void> = run()
        .catch((error: unknown) => log.warn({ err: error, task: name }, 'upkeep.failed'))
        .finally(() => {
          busy = false
          running.delete(finished)
        })
      running.add(finished)
    }, everyMs)
  })
  return {
    async close() {
      for (const timer of timers) clearInterval(timer)
      await Promise.all(running)
    },
  }
}
