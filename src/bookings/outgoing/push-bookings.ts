import type { Kysely } from 'kysely'
import { findConnection } from '../../connections/connection-store.ts'
import type { Database } from '../../platform/db/tables.ts'
import type { JobQueues } from '../../platform/queue/queues.ts'
import type { BookingPushDeps } from './booking-calls.ts'
import { pushBooking } from './push-booking.ts'
import { bookingLeases, claimBooking } from './push-store.ts'

// Bookings are few: what matters is that one slow answer holds up few others.
const maxAtOnce = 4
const maxConnections = 500

type Queues = Pick<JobQueues, 'enqueueBookingPushes'>

/**
 * One slice of a connection's bookings: pushes what is due, the longest waiting first, until nothing is, its time is
 * over, or the rate limit or the breaker defers it; then signals its next slice. Safe to run twice and at the same
 * time: each booking has a lease.
 */
export async function pushBookings(
  deps: BookingPushDeps & { queues: Queues },
  connectionId: string,
): Promise<string> {
  const connection = await findConnection(deps.db, connectionId)
  // The sweep offers it again once it is active.
  if (connection?.status !== 'active') return 'connection_waiting'
  const endsAt = performance.now() + deps.times.sliceMs
  let taken = 0
  let retryAt: Date | undefined

  async function workThrough(): Promise<void> {
    while (retryAt === undefined && performance.now() < endsAt) {
      const row = await claimBooking(deps.db, connectionId, deps.times.leaseMs)
      if (row === undefined || connection === undefined) return
      taken += 1
      const result = await pushBooking(deps, connection, row)
      if (result.outcome === 'not_now') retryAt = result.retryAt
    }
  }

  await Promise.all(Array.from({ length: maxAtOnce }, workThrough))
  if (retryAt === undefined) {
    await signalBookings(deps.db, deps.queues, [connectionId])
    return `${taken} bookings`
  }
  const inMs = Math.max(0, retryAt.getTime() - Date.now())
  // The sweep finds them if this is lost.
  await deps.queues.enqueueBookingPushes([{ connectionId, inMs }]).catch(() => undefined)
  return `${taken} bookings, then to wait`
}

/**
 * Lets a job run for each connection as soon as one of its bookings may be pushed. Never fails: what waits is in the
 * database, and the sweep finds it.
 */
export async function signalBookings(
  db: Kysely<Database>,
  queues: Queues,
  connectionIds: string[],
): Promise<void> {
  try {
    await queues.enqueueBookingPushes(await bookingLeases.wakeTimes(db, connectionIds))
  } catch {
    return
  }
}

/** Signals connections of bookings whose job was lost or whose worker died. Safe to repeat. */
export async function sweepBookingPushes(
  db: Kysely<Database>,
  queues: Queues,
  overdueMs: number,
): Promise<void> {
  const { abandoned, unsignalled } = await bookingLeases.overdueConnections(db, {
    overdueMs,
    limit: maxConnections,
  })
  if (unsignalled.length > 0) await signalBookings(db, queues, unsignalled)
  const now = abandoned.map((connectionId) => ({ connectionId, inMs: 0 }))
  await queues.enqueueBookingPushes(now, { isAbandoned: true })
}
