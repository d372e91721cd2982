import type { CalendarDay } from '../channels/contract/calendar.ts'
import { capabilityOf } from '../channels/contract/channel.ts'
import { callChannel } from '../connections/call-channel.ts'
import { databaseTime } from '../platform/db/database-time.ts'
import type { Urgency } from '../platform/limiter/call-admission.ts'
import type { Push } from './push-context.ts'
import { applyReadBack, type ObservedNight } from './read-back-store.ts'

/**
 * Asks Hostaway what it holds from `from` to `to` and takes that as what was pushed; reading changes nothing. The
 * caller has waited until no earlier call can take effect any more. Returns how many nights had drifted.
 */
export async function readBack(
  push: Push,
  { from, to }: { from: string; to: string },
  urgency: Urgency,
): Promise<number> {
  const { deps, connection, listing, claim } = push
  const { startedAt, days } = await callChannel(deps, connection, { urgency }, async (channel, call) => {
    const startedAt = await databaseTime(deps.db)
    return {
      startedAt,
      days: await capabilityOf(channel, 'calendar').read(call, listing.listing_id, from, to),
    }
  })
  const nights = days.map((day) => toObserved(day, listing.unit_count))
  const drifted = await applyReadBack(deps.db, claim, { from, to, nights, startedAt })
  if (drifted > 0) {
    deps.metrics.driftedDays.inc(drifted)
    deps.log.warn(
      { connectionId: connection.id, listingId: listing.listing_id, nights: drifted },
      'calendar.drift_found',
    )
  }
  return drifted
}

function toObserved(day: CalendarDay, unitCount: number): ObservedNight {
  return {
    day: day.date,
    units: unitsOf(day, unitCount),
    price: day.price ?? null,
    minStay: day.minimumStay ?? null,
    maxStay: day.maximumStay ?? null,
    closedOnArrival: day.closedOnArrival ?? null,
    closedOnDeparture: day.closedOnDeparture ?? null,
    note: day.note ?? null,
  }
}

// Only `available` and `blocked` are somebody's desired value; every other status is a booking's.
function unitsOf({ status, desiredUnitsToSell }: CalendarDay, unitCount: number): number | null {
  if (status !== 'available' && status !== 'blocked') return null
  if (unitCount > 1) return desiredUnitsToSell ?? (status === 'available' ? unitCount : 0)
  return status === 'available' ? 1 : 0
}
