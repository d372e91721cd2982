import type { Connection } from '../connections/connection-store.ts'
import { findListings } from '../listings/listing-store.ts'
import { dayIn } from '../platform/days.ts'
import type { ListingPushRow } from '../platform/db/outbound-tables.ts'
import { type AppError, isRefusal, mayStillLand, toAppError } from '../platform/errors.ts'
import { LeaseLost } from '../platform/work/leases.ts'
import { deadLetterDetails, deadLetterListing } from './dead-letter-listing.ts'
import {
  finishListing,
  listDetailsToPush,
  listingLease,
  listingLeases,
  releaseDeadLettered,
} from './listing-push-store.ts'
import { pushCalendar, readBackNights } from './push-calendar.ts'
import type { Push, PushDeps } from './push-context.ts'
import { detailsToPush, pushDetails, readBackDetails } from './push-details.ts'
import { duePartsOf, findUnverified, lastDesiredDay } from './pushed-nights-store.ts'
import { decidePush, probeWhileBreakerOpen } from './remote-probe.ts'

/** `not_now`: the connection's work that is not more urgent than `urgency` is deferred until `retryAt`. */
export type PushResult =
  | { outcome: 'done' | 'failed' | 'lost' }
  | { outcome: 'not_now'; retryAt: Date; urgency: number }

/**
 * Does everything that waits for one listing and releases it, whatever happens: reads what is not known, pushes the
 * calendar, pushes the details. Safe to repeat; only the holder of the lease changes anything.
 */
export async function pushListing(
  deps: PushDeps,
  connection: Connection,
  row: ListingPushRow,
): Promise<PushResult> {
  const lease = listingLease(row)
  try {
    return await listingLeases.hold(deps.db, lease, deps.times.leaseMs, async () => {
      const [listing] = await findListings(deps.db, [lease])
      if (listing === undefined) throw new Error('the listing of a push does not exist')
      const today = dayIn(listing.time_zone, new Date())
      return work({ deps, connection, listing, lease, today, attempts: row.attempts }, row)
    })
  } catch (caught) {
    if (caught instanceof LeaseLost) return { outcome: 'lost' }
    throw caught
  }
}

async function work(push: Push, row: ListingPushRow): Promise<PushResult> {
  const progress: Progress = { type: 'calendar', calls: 0 }
  const isCheck = row.check_due_at !== null && row.check_due_at <= new Date()
  try {
    await doWork(push, row, isCheck, progress)
  } catch (caught) {
    if (caught instanceof LeaseLost) throw caught
    return afterFailure(push, row, toAppError(caught), progress)
  }
  await finish(push, { restMs: progress.calls > 0 ? push.deps.times.restMs : 0, checked: isCheck })
  return { outcome: 'done' }
}

async function finish(
  { deps, lease, today }: Push,
  how: { restMs: number; checked: boolean },
): Promise<void> {
  await deps.db.transaction().execute(async (trx) => {
    await listingLeases.lock(trx, lease)
    await finishListing(trx, lease, { ...how, due: await duePartsOf(trx, lease, today) })
  })
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
    await deadLetterDetails(push, details, failure)
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
  const { deps, lease, today } = push
  const ranges = [
    await findUnverified(deps.db, lease, today),
    row.sending_from === null || row.sending_to === null
      ? undefined
      : { from: row.sending_from, to: row.sending_to },
  ].filter((range) => range !== undefined)
  const last = isCheck ? await lastDesiredDay(deps.db, lease, today) : undefined
  if (last !== undefined) ranges.push({ from: today, to: last })
  if (ranges.length > 0) {
    const from = ranges.map((range) => range.from).toSorted()[0] ?? today
    const to =
      ranges
        .map((range) => range.to)
        .toSorted()
        .at(-1) ?? today
    const isUrgent = ranges.length > (last === undefined ? 0 : 1)
    await readBackNights(push, { from: from < today ? today : from, to }, isUrgent ? 'urgent' : 'bulk')
  }
  if (row.details_sending) await readBackDetails(push, await listDetailsToPush(deps.db, lease))
}

async function afterFailure(
  push: Push,
  row: ListingPushRow,
  failure: AppError,
  { type }: Progress,
): Promise<PushResult> {
  const { deps, lease, attempts } = push
  const decision = await decidePush(push, failure, attempts)
  if (decision.outcome === 'defer') {
    await listingLeases.release(deps.db, lease, { inMs: 0 })
    // The rate limit has more room for what is more urgent; anything else stops the whole connection.
    const urgency = failure.kind === 'rate_limited' ? (row.urgency ?? 0) : 0
    return { outcome: 'not_now', retryAt: decision.until, urgency }
  }
  deps.metrics.syncJobs.inc({ sync_type: type, status: 'failure' })
  if (decision.outcome === 'deadLetter') {
    await deadLetterListing(push, failure)
    await releaseDeadLettered(deps.db, lease, failure.message)
    return { outcome: 'failed' }
  }
  const { kind, message } = failure
  await listingLeases.release(deps.db, lease, {
    inMs: decision.afterMs,
    failure: { message, usesAttempt: decision.usesAttempt, mayLand: mayStillLand(failure) },
  })
  const { connectionId, listingId } = lease
  deps.log.warn({ connectionId, listingId, kind, reason: message, attempts }, 'listing.push_failed')
  return { outcome: 'failed' }
}
