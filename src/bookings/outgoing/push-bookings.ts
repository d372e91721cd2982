import { findConnection } from '../../connections/connection-store.ts'
import type { JobQueues } from '../../platform/queue/queues.ts'
import type { BookingPushDeps } from './call-hostaway.ts'
import { pushBooking } from './push-booking.ts'
import { claimBooking } from './push-store.ts'
import { signalBookings } from './signal-bookings.ts'

// Nobody makes bookings by the thousand: what matters is that one slow answer holds up few others.
const maxAtOnce = 4

/**
 * One turn of a connection's bookings: tells Hostaway what is due, the longest waiting first, until nothing is, its
 * time is over, or the rate limit or the breaker says "not now"; then sees to its next turn. Safe to run twice and at
 * the same time: each booking has a lease.
 */
export async function pushBookings(
  deps: BookingPushDeps & { queues: Pick<JobQueues, 'enqueueBookingPushes'> },
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
  // The sweep comes back to them if this is lost.
  await deps.queues.enqueueBookingPushes([{ connectionId, inMs }]).catch(() => undefined)
  return `${taken} bookings, then to wait`
}
