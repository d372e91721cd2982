import { randomInt } from 'node:crypto'
import { type Connection, findConnection } from '../connections/connection-store.ts'
import { findListings } from '../listings/listing-store.ts'
import { dayIn } from '../platform/days.ts'
import type { ListingPushRow } from '../platform/db/outbound-tables.ts'
import { type AppError, factsOf, isRefusal, mayStillLand, toAppError } from '../platform/errors.ts'
import { outboundQueue } from '../platform/queue/queues.ts'
import { findUnverified, lastDesiredDay } from './calendar-store.ts'
import { deadLetterListing, deadLetterOnlyDetails } from './dead-letter-listing.ts'
import { listDetailsToPush } from './details-store.ts'
import { finishListing } from './finish-store.ts'
import { isRemoteUp, probeWhileBreakerOpen } from './host-probe.ts'
import { LeaseLost, releaseAfterFailure, releaseDeadLettered, releaseListing } from './lease-store.ts'
import { pushCalendar } from './push-calendar.ts'
import type { Push, PushDeps } from './push-context.ts'
import { detailsToPush, pushDetails, readBackDetails } from './push-details.ts'
import { readBack } from './read-back.ts'

/** `not_now`: what is not more urgent than `urgency` should come back at `retryAt`. */
export type PushResult =
  | { outcome: 'done' | 'failed' | 'lost' }
  | { outcome: 'not_now'; retryAt: Date; urgency: number }

const deferMs = 5_000
// Connections that were told the same moment come back spread out.
const jitterMs = 100
const maxDelayMs = 32_000
/** Until the breaker has opened, what has failures that do not count is tried as often as after so many of them. */
export const attemptsWhileRemoteDown = 3

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
    if (await deadLetterOnlyDetails(push, details, failure)) countDeadLetter(push, failure)
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
  const { deps, connection, claim, attempts } = push
  const { outcome, remote } = factsOf(failure)
  const line = { ...claim, kind: failure.kind, reason: failure.message, attempts }
  if (outcome === 'defer' || (await needsReauth(push))) {
    await releaseListing(deps.db, claim)
    const retryAt = failure.retryAt ?? new Date(Date.now() + deferMs)
    // The rate limit has more room for what is more urgent, and a moment of its own for each connection; anything else
    // stops the whole connection, and all of them.
    if (failure.kind === 'rate_limited') return { outcome: 'not_now', retryAt, urgency: row.urgency ?? 0 }
    return { outcome: 'not_now', retryAt: new Date(retryAt.getTime() + randomInt(jitterMs)), urgency: 0 }
  }
  deps.metrics.syncJobs.inc({ sync_type: type, status: 'failure' })
  // While Hostaway is away, a failure says nothing about the listing.
  const usesAttempt = remote !== 'down' || (await isRemoteUp(push))
  if (outcome === 'deadLetter' || (usesAttempt && attempts + 1 >= deps.maxAttempts)) {
    await deadLetterListing(push, failure)
    countDeadLetter(push, failure)
    await releaseDeadLettered(deps.db, claim, failure.message)
    deps.log.error(line, 'listing.set_aside')
    return { outcome: 'failed' }
  }
  await releaseAfterFailure(deps.db, claim, {
    usesAttempt,
    delayMs: backoffMs(usesAttempt ? attempts + 1 : attemptsWhileRemoteDown, deps.retryDelayMs),
    mayLand: mayStillLand(failure),
    message: failure.message,
  })
  deps.log.warn({ ...line, connectionId: connection.id }, 'listing.push_failed')
  return { outcome: 'failed' }
}

function countDeadLetter({ deps }: Push, { kind }: AppError): void {
  deps.metrics.deadLetters.inc({ queue: outboundQueue, kind })
}

async function needsReauth({ deps, connection }: Push): Promise<boolean> {
  return (await findConnection(deps.db, connection.id))?.status !== 'active'
}

/** Milliseconds until the next attempt. Full jitter, as for jobs: anything up to the exponential step. */
export function backoffMs(attempt: number, baseMs: number): number {
  return randomInt(Math.min(maxDelayMs, baseMs * 2 ** (attempt - 1)) + 1)
}
