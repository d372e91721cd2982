import type { Connection } from '../connections/connection-store.ts'
import { findListings } from '../listings/listing-store.ts'
import { dayIn } from '../platform/days.ts'
import type { ListingPushRow } from '../platform/db/outbound-tables.ts'
import { type AppError, isRefusal, mayStillLand, toAppError } from '../platform/errors.ts'
import { findUnverified, lastDesiredDay } from './calendar-store.ts'
import { deadLetterListing, deadLetterOnlyDetails } from './dead-letter-listing.ts'
import { listDetailsToPush } from './details-store.ts'
import { finishListing } from './finish-store.ts'
import { decidePush, probeWhileBreakerOpen } from './host-probe.ts'
import { LeaseLost, releaseAfterFailure, releaseDeadLettered, releaseListing } from './lease-store.ts'
import { pushCalendar } from './push-calendar.ts'
import type { Push, PushDeps } from './push-context.ts'
import { detailsToPush, pushDetails, readBackDetails } from './push-details.ts'
import { readBack } from './read-back.ts'

/** `not_now`: what is not more urgent than `urgency` should come back at `retryAt`. */
export type PushResult =
  | { outcome: 'done' | 'failed' | 'lost' }
  | { outcome: 'not_now'; retryAt: Date; urgency: number }

/**
 * Does everything that waits for one listing and gives it back, whatever happens: read what is not known, push the
 * calendar, push the details. Safe to repeat; only the holder of the lease changes anything.
 */
export async function pushListing(
  deps: PushDeps,
  connection: Connection,
  row: ListingPushRow,
): Promise<PushResult> {
  const claim = { connectionId: row.connection_id, listingId: row.listing_id, fence: row.fence }
  try {
    const [listing] = await findListings(deps.db, [
      { connectionId: row.connection_id, listingId: row.listing_id },
    ])
    if (listing === undefined) throw new Error('the listing of a push does not exist')
    const today = dayIn(listing.time_zone, new Date())
    const push: Push = { deps, connection, listing, claim, today, attempts: row.attempts }
    return await work(push, row)
  } catch (caught) {
    if (caught instanceof LeaseLost) return { outcome: 'lost' }
    throw caught
  }
}

async function work(push: Push, row: ListingPushRow): Promise<PushResult> {
  const { deps, claim, today } = push
  const progress: Progress = { type: 'calendar', calls: 0 }
  const isCheck = row.check_due_at !== null && row.check_due_at <= new Date()
  try {
    await doWork(push, row, isCheck, progress)
  } catch (caught) {
    if (caught instanceof LeaseLost) throw caught
    return afterFailure(push, row, toAppError(caught), progress)
  }
  await finishListing(deps.db, claim, {
    today,
    restMs: progress.calls > 0 ? deps.times.restMs : 0,
    checked: isCheck,
  })
  return { outcome: 'done' }
}

/** What is being pushed, and how many calls have changed something so far. */
type Progress = { type: 'calendar' | 'listing'; calls: number }

async function doWork(push: Push, row: ListingPushRow, isCheck: boolean, progress: Progress): Promise<void> {
  await probeWhileBreakerOpen(push)
  await readWhatIsNotKnown(push, row, isCheck)
  await pushPart(push, progress, 'calendar', () => pushCalendar(push))
  const details = await detailsToPush(push)
  try {
    await pushPart(push, progress, 'listing', () => pushDetails(push, details))
  } catch (error) {
    const failure = toAppError(error)
    if (error instanceof LeaseLost || !isRefusal(failure)) throw error
    push.deps.metrics.syncJobs.inc({ sync_type: 'listing', status: 'failure' })
    await deadLetterOnlyDetails(push, details, failure)
  }
}

// Where nothing differs, nothing is pushed and nothing is counted.
async function pushPart(
  { deps: { metrics } }: Push,
  progress: Progress,
  type: Progress['type'],
  makeCalls: () => Promise<number>,
): Promise<void> {
  progress.type = type
  const started = performance.now()
  const calls = await makeCalls()
  if (calls === 0) return
  progress.calls += calls
  metrics.syncJobs.inc({ sync_type: type, status: 'success' })
  metrics.syncDuration.observe({ sync_type: type }, (performance.now() - started) / 1_000)
}

async function readWhatIsNotKnown(push: Push, row: ListingPushRow, isCheck: boolean): Promise<void> {
  const { deps, claim, today } = push
  const ranges = [
    await findUnverified(deps.db, claim, today),
    row.sending_from === null || row.sending_to === null
      ? undefined
      : { from: row.sending_from, to: row.sending_to },
  ].filter((range) => range !== undefined)
  const last = isCheck ? await lastDesiredDay(deps.db, claim, today) : undefined
  if (last !== undefined) ranges.push({ from: today, to: last })
  if (ranges.length > 0) {
    const from = ranges.map((range) => range.from).toSorted()[0] ?? today
    const to =
      ranges
        .map((range) => range.to)
        .toSorted()
        .at(-1) ?? today
    const isUrgent = ranges.length > (last === undefined ? 0 : 1)
    await readBack(push, { from: from < today ? today : from, to }, isUrgent ? 'urgent' : 'bulk')
  }
  if (row.details_sending) await readBackDetails(push, await listDetailsToPush(deps.db, claim))
}

async function afterFailure(
  push: Push,
  row: ListingPushRow,
  failure: AppError,
  { type }: Progress,
): Promise<PushResult> {
  const { deps, claim, attempts } = push
  const decision = await decidePush(push, failure, attempts)
  if (decision.outcome === 'defer') {
    await releaseListing(deps.db, claim)
    // The rate limit has more room for what is more urgent; anything else stops the whole connection.
    const urgency = failure.kind === 'rate_limited' ? (row.urgency ?? 0) : 0
    return { outcome: 'not_now', retryAt: decision.until, urgency }
  }
  deps.metrics.syncJobs.inc({ sync_type: type, status: 'failure' })
  if (decision.outcome === 'deadLetter') {
    await deadLetterListing(push, failure)
    await releaseDeadLettered(deps.db, claim, failure.message)
    return { outcome: 'failed' }
  }
  await releaseAfterFailure(deps.db, claim, {
    usesAttempt: decision.usesAttempt,
    delayMs: decision.afterMs,
    mayLand: mayStillLand(failure),
    message: failure.message,
  })
  const line = { ...claim, kind: failure.kind, reason: failure.message, attempts }
  deps.log.warn(line, 'listing.push_failed')
  return { outcome: 'failed' }
}
