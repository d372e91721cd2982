import type { OutboundTimes } from '../calendar/push-context.ts'
import { pushDepsOf } from '../calendar/push-context.ts'
import type { ChannelDeps } from '../connections/call-channel.ts'
import type { Config } from '../platform/config/config.ts'
import { pruneIdempotencyKeys } from '../platform/db/idempotency-keys.ts'
import type { Job, Module } from '../platform/module.ts'
import {
  type BookingPushJob,
  type JobQueues,
  outboundQueue,
  pushBookingsJob,
} from '../platform/queue/queues.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import { releaseWaiting } from './apply/release-waiting.ts'
import { webhookJob } from './apply/webhook-job.ts'
import { approvalRoutes } from './approvals/approval-routes.ts'
import { listingRoutes } from './approvals/listing-routes.ts'
import { bookingRoutes } from './booking-routes.ts'
import { conflictRoutes } from './conflict-routes.ts'
import { bookingWriteRoutes } from './outgoing/booking-write-routes.ts'
import { pushBookings, signalBookings, sweepBookingPushes } from './outgoing/push-bookings.ts'
import { countWaitingPushes, reopenPush } from './outgoing/push-store.ts'
import { mappingRoutes } from './remap/mapping-routes.ts'
import { continueRemaps } from './remap/remap-bookings.ts'
import { remapRoutes } from './remap/remap-routes.ts'
import { unitCalendarRoutes } from './unit-calendar-routes.ts'

type BookingDeps = ChannelDeps & {
  config: Pick<Config, 'HOSTAWAY_API_TIMEOUT_MS' | 'HOSTAWAY_MAX_RETRIES' | 'HOSTAWAY_RETRY_DELAY_MS'>
  queues: JobQueues
  metrics: Metrics
  outboundTimes: OutboundTimes
  upkeepTimes: {
    releaseEveryMs: number
    remapEveryMs: number
    sweepEveryMs: number
    scheduleEveryMs: number
    pushOverdueMs: number
  }
}

// Short enough for a process that is asked to end.
const remapSliceMs = 2_000

export const bookings: Module<BookingDeps> = {
  name: 'bookings',

  async routes(app, { db, channels, queues, log, metrics }) {
    await app.register(listingRoutes, { db, channels, log, metrics })
    await app.register(mappingRoutes, { db, channels })
    await app.register(remapRoutes, { db })
    await app.register(bookingRoutes, { db })
    await app.register(bookingWriteRoutes, { db, channels, queues })
    await app.register(unitCalendarRoutes, { db })
    await app.register(conflictRoutes, { db })
    await app.register(approvalRoutes, { db, channels, log, metrics })
  },

  jobs(deps) {
    const pushing = pushDepsOf(deps)
    const push: Job<BookingPushJob> = {
      queue: outboundQueue,
      name: pushBookingsJob,
      parse: readPushJob,
      run: ({ bookingsOf }) => pushBookings(pushing, bookingsOf),
      // Waiting work and its dead letters belong to the bookings: the sweep starts another job.
      deadLetter: async () => undefined,
    }
    return [webhookJob(deps), push]
  },

  sweeps: ({ db, channels, queues, log, upkeepTimes }) => [
    {
      name: 'release-waiting',
      everyMs: upkeepTimes.releaseEveryMs,
      async run() {
        const released = await releaseWaiting({ db, channels })
        if (released > 0) log.info({ reservations: released }, 'booking_queue.released')
      },
    },
    {
      name: 'remap-bookings',
      everyMs: upkeepTimes.remapEveryMs,
      run: async () => void (await continueRemaps({ db, channels, log }, remapSliceMs)),
    },
    {
      name: 'sweep-booking-pushes',
      everyMs: upkeepTimes.sweepEveryMs,
      run: () => sweepBookingPushes(db, queues, upkeepTimes.pushOverdueMs),
    },
    {
      name: 'prune-idempotency-keys',
      everyMs: upkeepTimes.scheduleEveryMs,
      run: async () => void (await pruneIdempotencyKeys(db)),
    },
  ],

  replays: [
    {
      jobs: ['push-booking'],
      async reopen(trx, { payload: { bookingId } }) {
        if (bookingId !== undefined) await reopenPush(trx, bookingId)
      },
      async resume({ db, queues }, { payload: { connectionId } }) {
        if (connectionId !== undefined) await signalBookings(db, queues, [connectionId])
      },
    },
  ],

  async gauges({ db, metrics }) {
    metrics.bookingPushesWaiting.set(await countWaitingPushes(db))
  },
}

function readPushJob(data: unknown): BookingPushJob | undefined {
  if (typeof data !== 'object' || data === null || !('bookingsOf' in data)) return undefined
  return typeof data.bookingsOf === 'string' ? { bookingsOf: data.bookingsOf } : undefined
}
