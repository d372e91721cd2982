import type { Kysely } from 'kysely'
import type { Config } from '../platform/config/config.ts'
import { parseCron } from '../platform/config/cron-times.ts'
import type { Database } from '../platform/db/tables.ts'
import type { Module } from '../platform/module.ts'
import type { JobQueues } from '../platform/queue/queues.ts'
import type { Logger } from '../platform/telemetry/logger.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import { eventRoutes } from './event-routes.ts'
import type { OutboundTimes } from './outbound-times.ts'
import { checkForDrift, runScheduledSyncs, sweepPushes } from './sweep-pushes.ts'
import { syncRoutes } from './sync-routes.ts'
import { countWaiting } from './sync-status-store.ts'

type CalendarDeps = {
  config: Pick<
    Config,
    'HOSTAWAY_SYNC_AVAILABILITY_CRON' | 'HOSTAWAY_SYNC_PRICING_CRON' | 'HOSTAWAY_SYNC_LISTINGS_CRON'
  >
  db: Kysely<Database>
  queues: JobQueues
  log: Logger
  metrics: Metrics
  outboundTimes: OutboundTimes
  upkeepTimes: { sweepEveryMs: number; scheduleEveryMs: number; pushOverdueMs: number; driftAfterMs: number }
}

export const calendar: Module<CalendarDeps> = {
  name: 'calendar',

  async routes(app, { db, queues, outboundTimes }) {
    await app.register(syncRoutes, { db, queues })
    await app.register(eventRoutes, { db, queues, settleMs: outboundTimes.settleMs })
  },

  sweeps({ config, db, queues, log, upkeepTimes }) {
    const crons = {
      availability: parseCron(config.HOSTAWAY_SYNC_AVAILABILITY_CRON),
      pricing: parseCron(config.HOSTAWAY_SYNC_PRICING_CRON),
      listings: parseCron(config.HOSTAWAY_SYNC_LISTINGS_CRON),
    }
    return [
      {
        name: 'sweep-pushes',
        everyMs: upkeepTimes.sweepEveryMs,
        run: async () => void (await sweepPushes(db, queues, upkeepTimes.pushOverdueMs)),
      },
      {
        name: 'scheduled-syncs',
        everyMs: upkeepTimes.scheduleEveryMs,
        async run() {
          const ran = await runScheduledSyncs(db, queues, crons)
          if (ran.length > 0) log.info({ syncs: ran }, 'sync.scheduled')
          await checkForDrift(db, queues, upkeepTimes.driftAfterMs)
        },
      },
    ]
  },

  async gauges({ db, metrics }) {
    const waiting = await countWaiting(db)
    metrics.syncQueueLength.set({ sync_type: 'calendar' }, waiting.calendars)
    metrics.syncQueueLength.set({ sync_type: 'listing' }, waiting.details)
    metrics.syncPendingDays.set(waiting.days)
  },
}
