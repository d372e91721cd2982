import { type CallerOptions, createCaller } from './caller.ts'
import { bookingCalls } from './client-bookings.ts'
import { calendarCalls } from './client-calendar.ts'
import { listingCalls } from './client-listings.ts'
import { reservationCalls } from './client-reservations.ts'
import { tokenCalls } from './client-tokens.ts'
import { webhookCalls } from './client-webhooks.ts'

export type HostawayClient = ReturnType<typeof createHostawayClient>

/**
 * All that is ever asked of Hostaway, one HTTP request per call except of the lists. Nothing is retried here. Every
 * failure is an AppError; `rate_limited` and `breaker_open` carry the moment of the next try as `retryAt`.
 */
export function createHostawayClient(options: CallerOptions) {
  const caller = createCaller(options)
  return {
    ...tokenCalls(caller),
    ...reservationCalls(caller),
    ...bookingCalls(caller),
    ...listingCalls(caller),
    ...calendarCalls(caller),
    ...webhookCalls(caller),
    /** Breaks off the calls under way, which fail with `shutting_down`: the process is about to end. */
    hangUp: caller.hangUp,
    /** Closes idle connections; calls in flight continue. */
    close: caller.close,
  }
}
