import { capabilityOf } from '../channels/contract/channel.ts'
import { addDays, daysBetween } from '../platform/days.ts'
import { AppError, isRefusal } from '../platform/errors.ts'
import type { CalendarField, CalendarRange, CalendarValues } from './calendar-fields.ts'
import { type CalendarNight, listNightsToPush } from './calendar-store.ts'
import { deadLetterNight } from './dead-letter-listing.ts'
import { compress, type PlannedDay } from './intervals.ts'
import { refuseIfListingIsGone } from './listing-gone.ts'
import type { Push } from './push-context.ts'
import { sendIntervals } from './send-calendar.ts'

// So many single nights of one interval refused and none taken: then it is the interval's values.
const refusedNightsAreEnough = 3

/** Pushes every night that is due, in as few calls as possible. Returns how many calls changed something. */
export async function pushCalendar(push: Push): Promise<number> {
  const nights = await listNightsToPush(push.deps.db, keyOf(push), push.today)
  const { availability, pricing } = push.connection.sync
  const enabled = { availability: availability.enabled, pricing: pricing.enabled }
  const intervals = compress(nights.map((night) => planNight(night, enabled)))
  const state: SplitState = { calls: 0, listingChecked: false }
  const { maxIntervals } = capabilityOf(push.deps.channels.of(push.connection.channel), 'calendar')
  for (let start = 0; start < intervals.length; start += maxIntervals) {
    await sendOrSplit(push, intervals.slice(start, start + maxIntervals), state)
  }
  return state.calls
}

/**
 * What of a night must be sent and what may be: nothing of one that is set aside or not known, nor of a part that is not
 * to be kept in step. Pure.
 */
export function planNight(
  night: CalendarNight,
  enabled: { availability: boolean; pricing: boolean },
): PlannedDay {
  const { day } = night
  if (night.failed_kind !== null || night.unverified_since !== null) return { day, due: {}, allowed: {} }
  const desired: Array<[CalendarField, string | number | boolean | null, string | number | boolean | null]> =
    [
      ['units', night.held_now ? null : night.desired_units, night.pushed_units],
      ['price', night.desired_price, night.pushed_price],
      ['minStay', night.desired_min_stay, night.pushed_min_stay],
      ['maxStay', night.desired_max_stay, night.pushed_max_stay],
      ['closedOnArrival', night.desired_closed_on_arrival, night.pushed_closed_on_arrival],
      ['closedOnDeparture', night.desired_closed_on_departure, night.pushed_closed_on_departure],
      ['note', night.desired_note, night.pushed_note],
    ]
  const allowed = desired.filter(
    ([field, value]) => value !== null && (field === 'units' ? enabled.availability : enabled.pricing),
  )
  const due = allowed.filter(([, value, pushed]) => value !== pushed)
  return { day, due: toValues(due), allowed: toValues(allowed) }
}

type SplitState = { calls: number; listingChecked: boolean }

// Hostaway refuses a batch as a whole and does not say which night is at fault.
async function sendOrSplit(push: Push, intervals: CalendarRange[], state: SplitState): Promise<void> {
  const refusal = await trySending(push, intervals, state)
  if (refusal === undefined) return
  const [only] = intervals
  if (intervals.length > 1 || only === undefined) {
    const middle = Math.ceil(intervals.length / 2)
    await sendOrSplit(push, intervals.slice(0, middle), state)
    await sendOrSplit(push, intervals.slice(middle), state)
  } else await splitInterval(push, only, refusal, state)
}

async function splitInterval(
  push: Push,
  whole: CalendarRange,
  refusal: AppError,
  state: SplitState,
): Promise<void> {
  const refused = new Map<string, AppError>()
  let taken = 0
  const open: Array<{ range: CalendarRange; refusal: AppError | undefined }> = [{ range: whole, refusal }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { range } = next
    const isHopeless = refused.size >= refusedNightsAreEnough && taken === 0
    const said = isHopeless ? refusal : (next.refusal ?? (await trySending(push, [range], state)))
    if (said === undefined) taken += 1
    else if (range.from === range.to || isHopeless) {
      for (let day = range.from; day <= range.to; day = addDays(day, 1)) {
        refused.set(day, said)
        await deadLetterNight(push, day, range.values, said)
      }
    } else {
      const middle = addDays(range.from, Math.floor(daysBetween(range.from, range.to) / 2))
      open.push({ range: { ...range, from: addDays(middle, 1) }, refusal: undefined })
      open.push({ range: { ...range, to: middle }, refusal: undefined })
    }
  }
}

/** What Hostaway said if it refused; undefined if it took the intervals. Every other failure is thrown. */
async function trySending(
  push: Push,
  intervals: CalendarRange[],
  state: SplitState,
): Promise<AppError | undefined> {
  try {
    await sendIntervals(push, intervals)
    state.calls += 1
    return undefined
  } catch (error) {
    if (!(error instanceof AppError && isRefusal(error))) throw error
    // Every write to an archived listing is refused: looking for the night at fault would go on for ever.
    if (!state.listingChecked) await refuseIfListingIsGone(push, error)
    state.listingChecked = true
    return error
  }
}

function toValues(entries: Array<[CalendarField, unknown, unknown]>): CalendarValues {
  return Object.fromEntries(entries.map(([field, value]) => [field, value]))
}

function keyOf({ claim }: Push) {
  return { connectionId: claim.connectionId, listingId: claim.listingId }
}
