import type { ChannelDeps } from '../connections/call-channel.ts'
import type { Config } from '../platform/config/config.ts'
import { parseCron } from '../platform/config/cron-times.ts'
import type { Job, Module } from '../platform/module.ts'
import {
  type JobQueues,
  type OutboundJob,
  outboundQueue,
  syncConnectionJob,
} from '../platform/queue/queues.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import { pruneDesiredEvents } from './desired-event-store.ts'
import { forgetDesired } from './desired-store.ts'
import { eventRoutes } from './event-routes.ts'
import type { OutboundTimes } from './push-context.ts'
import { pushDepsOf } from './push-context.ts'
import { reopenDeadLettered } from './schedule-store.ts'
import {
  checkForDrift,
  resumePushing,
  runScheduledSyncs,
  signalConnections,
  sweepPushes,
} from './sweep-pushes.ts'
import { syncConnection } from './sync-connection.ts'
import { syncRoutes } from './sync-routes.ts'
import { countWaiting, listListingSyncs } from './sync-status-store.ts'

type CalendarDeps = ChannelDeps & {
  config: Pick<
    Config,
    | 'HOSTAWAY_SYNC_AVAILABILITY_CRON'
    | 'HOSTAWAY_SYNC_PRICING_CRON'
    | 'HOSTAWAY_SYNC_LISTINGS_CRON'
    | 'HOSTAWAY_API_TIMEOUT_MS'
    | 'HOSTAWAY_MAX_RETRIES'
    | 'HOSTAWAY_RETRY_DELAY_MS'
  >
  queues: JobQueues
  metrics: Metrics
  outboundTimes: OutboundTimes
  upkeepTimes: { sweepEveryMs: number; scheduleEveryMs: number; pushOverdueMs: number; driftAfterMs: number }
}

const pruneBatch = 10_000

export const calendar: Module<CalendarDeps> = {
  name: 'calendar',

  async routes(app, { db, queues, outboundTimes }) {
    await app.register(syncRoutes, { db, queues })
    await app.register(eventRoutes, { db, queues, settleMs: outboundTimes.settleMs })
  },

  jobs(deps) {
    const pushing = pushDepsOf(deps)
    const push: Job<OutboundJob> = {
      queue: outboundQueue,
      name: syncConnectionJob,
      parse: readPushJob,
      run: ({ connectionId }) => syncConnection(pushing, connectionId),
      // Waiting work and its dead letters belong to the listings: the sweep starts another job.
      deadLetter: async () => undefined,
    }
    return [push]
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
        run: () => sweepPushes(db, queues, upkeepTimes.pushOverdueMs),
      },
      {
        name: 'prune-desired-events',
        everyMs: upkeepTimes.scheduleEveryMs,
        run: async () => void (await pruneDesiredEvents(db, pruneBatch)),
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

  replays: [
    {
      jobs: ['push-listing', 'push-night'],
      async reopen(trx, { payload: { connectionId, listingId, day } }) {
        if (connectionId === undefined || listingId === undefined) return
        await reopenDeadLettered(trx, { connectionId, listingId, day })
      },
      async resume({ db, queues }, { payload: { connectionId } }) {
        if (connectionId !== undefined) await signalConnections(db, queues, [connectionId])
      },
    },
  ],

  reactions: {
    accountChanged: forgetDesired,
    resumed: ({ db, queues }, connectionId) => resumePushing(db, queues, connectionId),
    async backlog({ db }, { id }) {
      const listings = await listListingSyncs(db, id)
      const sum = (name: 'pendingDays' | 'failedDays' | 'driftedDays') =>
        listings.reduce((total, listing) => total + listing[name], 0)
      return {
        pendingDays: sum('pendingDays'),
        failedDays: sum('failedDays'),
        driftedDays: sum('driftedDays'),
      }
    },
  },

  async gauges({ db, metrics }) {
    const waiting = await countWaiting(db)
    metrics.syncQueueLength.set({ sync_type: 'calendar' }, waiting.calendars)
    metrics.syncQueueLength.set({ sync_type: 'listing' }, waiting.details)
    metrics.syncPendingDays.set(waiting.days)
  },
}

function readPushJob(data: unknown): OutboundJob | undefined {
  if (typeof data !== 'object' || data === null || !('connectionId' in data)) return undefined
  return typeof data.connectionId === 'string' ? { connectionId: data.connectionId } : undefined
}
