import type { CalendarInterval } from '../channels/contract/calendar.ts'
import { capabilityOf } from '../channels/contract/channel.ts'
import { callChannel } from '../connections/call-channel.ts'
import { factsOf, toAppError } from '../platform/errors.ts'
import type { CalendarRange } from './calendar-fields.ts'
import { markPushed } from './calendar-store.ts'
import { beginSending, endSending } from './lease-store.ts'
import type { Push } from './push-context.ts'

/**
 * Makes one call with up to 200 intervals and marks exactly these as pushed. Throws an AppError: then either nothing
 * happened, or the call stays noted as one whose outcome must be read back.
 */
export async function sendIntervals(push: Push, ranges: CalendarRange[]): Promise<void> {
  const { deps, connection, listing, claim } = push
  const first = ranges[0]
  const last = ranges.at(-1)
  if (first === undefined || last === undefined) return
  const urgency = ranges.some(({ values }) => values.units !== undefined) ? 'urgent' : 'normal'
  try {
    await callChannel(deps, connection, { urgency }, async (channel, call) => {
      const startBefore = performance.now() + deps.times.startMs
      await beginSending(
        deps.db,
        claim,
        { from: first.from, to: last.to },
        { ...deps.times, timeoutMs: deps.timeoutMs },
      )
      const intervals = ranges.map((range) => toInterval(range, listing.unit_count))
      const { push: send } = capabilityOf(channel, 'calendar')
      await send({ ...call, startBefore }, listing.listing_id, intervals)
    })
  } catch (error) {
    if (factsOf(toAppError(error)).effect === 'none') await endSending(deps.db, claim)
    throw error
  }
  await markPushed(deps.db, claim, ranges)
}

function toInterval({ from, to, values }: CalendarRange, unitCount: number): CalendarInterval {
  const { units, minStay, maxStay, ...others } = values
  return {
    startDate: from,
    endDate: to,
    ...(units === undefined ? {} : availability(units, unitCount)),
    ...(minStay === undefined ? {} : { minimumStay: minStay }),
    ...(maxStay === undefined ? {} : { maximumStay: maxStay }),
    ...others,
  }
}

// A listing of several units knows a number to sell, one of one unit only open and closed.
function availability(
  units: number,
  unitCount: number,
): Pick<CalendarInterval, 'isAvailable' | 'desiredUnitsToSell'> {
  return unitCount > 1 ? { desiredUnitsToSell: Math.min(units, unitCount) } : { isAvailable: units > 0 }
}
