import type { CalendarDay, CalendarInterval } from '../channels/contract/calendar.ts'
import { capabilityOf } from '../channels/contract/channel.ts'
import { callChannel } from '../connections/call-channel.ts'
import { addDays, daysBetween } from '../platform/days.ts'
import { databaseTime } from '../platform/db/database-time.ts'
import { AppError, factsOf, isRefusal, toAppError } from '../platform/errors.ts'
import type { Urgency } from '../platform/limiter/call-admission.ts'
import {
  type CalendarField,
  type CalendarRange,
  type CalendarValues,
  fieldNames,
  type ObservedNight,
  observedIn,
  toChannel,
  valueAt,
} from './calendar-fields.ts'
import { deadLetterNight } from './dead-letter-listing.ts'
import { compress, type PlannedDay } from './intervals.ts'
import { beginSending, endSending } from './listing-push-store.ts'
import { mayLandForMs, type Push } from './push-context.ts'
import { applyReadBack, type CalendarNight, listNightsToPush, markPushed } from './pushed-nights-store.ts'

// So many single nights of one interval refused and none taken: then it is the interval's values.
const refusedNightsAreEnough = 3

/** Pushes every night that is due, in as few calls as possible. Returns how many calls changed something. */
export async function pushCalendar(push: Push): Promise<number> {
  const nights = await listNightsToPush(push.deps.db, push.lease, push.today)
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
 * What of a night must be sent and what may be: nothing of one that failed or must be read back, nor of a part that is
 * disabled. Pure.
 */
export function planNight(
  night: CalendarNight,
  enabled: { availability: boolean; pricing: boolean },
): PlannedDay {
  const { day } = night
  if (night.failed_kind !== null || night.unverified_since !== null) return { day, due: {}, allowed: {} }
  const isAllowed = (field: CalendarField) =>
    field === 'units' ? enabled.availability && !night.held_now : enabled.pricing
  const allowed = fieldNames.flatMap((field) => {
    const value = isAllowed(field) ? valueAt(night, 'desired', field) : null
    return value === null ? [] : [{ field, value }]
  })
  const due = allowed.filter(({ field, value }) => value !== valueAt(night, 'pushed', field))
  return { day, due: toValues(due), allowed: toValues(allowed) }
}

function toValues(entries: Array<{ field: CalendarField; value: unknown }>): CalendarValues {
  return Object.fromEntries(entries.map(({ field, value }) => [field, value]))
}

type SplitState = { calls: number; listingChecked: boolean }

// The channel refuses a batch as a whole and does not say which night is at fault.
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
    const answer = isHopeless ? refusal : (next.refusal ?? (await trySending(push, [range], state)))
    if (answer === undefined) taken += 1
    else if (range.from === range.to || isHopeless) {
      for (let day = range.from; day <= range.to; day = addDays(day, 1)) {
        refused.set(day, answer)
        await deadLetterNight(push, day, range.values, answer)
      }
    } else {
      const middle = addDays(range.from, Math.floor(daysBetween(range.from, range.to) / 2))
      open.push({ range: { ...range, from: addDays(middle, 1) }, refusal: undefined })
      open.push({ range: { ...range, to: middle }, refusal: undefined })
    }
  }
}

/** The channel's refusal; undefined if it took the intervals. Every other failure is thrown. */
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
    // Every write to an archived listing is refused: the search for the faulty night would never end.
    if (!state.listingChecked) await refuseIfListingIsGone(push, error)
    state.listingChecked = true
    return error
  }
}

// One call with up to 200 intervals; exactly these are marked as pushed. Where it fails, either nothing happened or the
// call stays noted as one whose outcome must be read back.
async function sendIntervals(push: Push, ranges: CalendarRange[]): Promise<void> {
  const { deps, connection, listing, lease } = push
  const first = ranges[0]
  const last = ranges.at(-1)
  if (first === undefined || last === undefined) return
  const urgency = ranges.some(({ values }) => values.units !== undefined) ? 'urgent' : 'normal'
  try {
    await callChannel(deps, connection, { urgency }, async (channel, call) => {
      const startBefore = performance.now() + deps.times.startMs
      await beginSending(deps.db, lease, { from: first.from, to: last.to }, mayLandForMs(deps))
      const intervals = ranges.map((range) => toInterval(range, listing.unit_count))
      const { push: send } = capabilityOf(channel, 'calendar')
      await send({ ...call, startBefore }, listing.listing_id, intervals)
    })
  } catch (error) {
    if (factsOf(toAppError(error)).effect === 'none') await endSending(deps.db, lease)
    throw error
  }
  await markPushed(deps.db, lease, ranges)
}

function toInterval({ from, to, values }: CalendarRange, unitCount: number): CalendarInterval {
  const { units } = values
  const ofUnits = units === undefined ? {} : availability(units, unitCount)
  return { startDate: from, endDate: to, ...ofUnits, ...toChannel(values) }
}

// A listing of several units knows a number to sell, one of one unit only open and closed.
function availability(
  units: number,
  unitCount: number,
): Pick<CalendarInterval, 'isAvailable' | 'desiredUnitsToSell'> {
  return unitCount > 1 ? { desiredUnitsToSell: Math.min(units, unitCount) } : { isAvailable: units > 0 }
}

// The channel takes nothing for a listing that is archived or gone.
class ListingGone extends AppError {
  constructor(message: string) {
    super('not_found', message)
    this.name = 'ListingGone'
  }
}

// Asks, after a refusal, whether the listing as a whole is at fault; then throws ListingGone.
async function refuseIfListingIsGone({ deps, connection, listing }: Push, refusal: AppError): Promise<void> {
  try {
    const found = await callChannel(deps, connection, { urgency: 'urgent' }, (channel, call) =>
      capabilityOf(channel, 'listings').read(call, listing.listing_id),
    )
    if (found.archived) throw new ListingGone(`The listing is archived at the channel. ${refusal.message}`)
  } catch (error) {
    if (error instanceof AppError && error.kind === 'not_found' && !(error instanceof ListingGone)) {
      throw new ListingGone(`The listing no longer exists at the channel. ${refusal.message}`)
    }
    throw error
  }
}

/**
 * Asks the channel what it holds from `from` to `to` and takes that as what was pushed; reading changes nothing. The
 * caller has waited until no earlier call can still take effect. Returns how many nights had drifted.
 */
export async function readBackNights(
  push: Push,
  { from, to }: { from: string; to: string },
  urgency: Urgency,
): Promise<number> {
  const { deps, connection, listing, lease } = push
  const { startedAt, days } = await callChannel(deps, connection, { urgency }, async (channel, call) => {
    const startedAt = await databaseTime(deps.db)
    const { read } = capabilityOf(channel, 'calendar')
    return { startedAt, days: await read(call, listing.listing_id, from, to) }
  })
  const nights = days.map((day) => toObserved(day, listing.unit_count))
  const drifted = await applyReadBack(deps.db, lease, { from, to, nights, startedAt })
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
  return { day: day.date, units: unitsOf(day, unitCount), ...observedIn(day) }
}

// Only `available` and `blocked` are up to the host; every other status is a booking's.
function unitsOf({ status, desiredUnitsToSell }: CalendarDay, unitCount: number): number | null {
  if (status !== 'available' && status !== 'blocked') return null
  if (unitCount > 1) return desiredUnitsToSell ?? (status === 'available' ? unitCount : 0)
  return status === 'available' ? 1 : 0
}
