import type { Kysely } from 'kysely'
import { pruneIdempotencyKeys } from '../platform/db/idempotency-keys.ts'
import type { Database } from '../platform/db/tables.ts'
import type { Module } from '../platform/module.ts'
import type { JobQueues } from '../platform/queue/queues.ts'
import type { Logger } from '../platform/telemetry/logger.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import { releaseWaiting } from './apply/release-waiting.ts'
import { approvalRoutes } from './approvals/approval-routes.ts'
import { listingRoutes } from './approvals/listing-routes.ts'
import { bookingRoutes } from './booking-routes.ts'
import { bookingWriteRoutes } from './outgoing/booking-write-routes.ts'
import { countWaitingPushes } from './outgoing/push-turn-store.ts'
import { sweepBookingPushes } from './outgoing/signal-bookings.ts'
import { mappingRoutes } from './remap/mapping-routes.ts'
import { continueRemaps } from './remap/remap-bookings.ts'
import { remapRoutes } from './remap/remap-routes.ts'
import { unitCalendarRoutes } from './unit-calendar-routes.ts'

type BookingDeps = {
  db: Kysely<Database>
  queues: JobQueues
  log: Logger
  metrics: Metrics
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

  async routes(app, { db, queues, log, metrics }) {
    await app.register(listingRoutes, { db, log, metrics })
    await app.register(mappingRoutes, { db })
    await app.register(remapRoutes, { db })
    await app.register(bookingRoutes, { db })
    await app.register(bookingWriteRoutes, { db, queues })
    await app.register(unitCalendarRoutes, { db })
    await app.register(approvalRoutes, { db, log, metrics })
  },

  sweeps: ({ db, queues, log, upkeepTimes }) => [
    {
      name: 'release-waiting',
      everyMs: upkeepTimes.releaseEveryMs,
      async run() {
        const released = await releaseWaiting(db)
        if (released > 0) log.info({ reservations: released }, 'booking_queue.released')
      },
    },
    {
      name: 'remap-bookings',
      everyMs: upkeepTimes.remapEveryMs,
      run: async () => void (await continueRemaps({ db, log }, remapSliceMs)),
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

  async gauges({ db, metrics }) {
    metrics.bookingPushesWaiting.set(await countWaitingPushes(db))
  },
}
