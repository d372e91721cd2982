import { isRemoteUp, type PushTarget, probeWhileBreakerOpen } from '../../calendar/host-probe.ts'
import { attemptsWhileRemoteDown, backoffMs } from '../../calendar/push-listing.ts'
import { type Connection, findConnection } from '../../connections/connection-store.ts'
import type { BookingPushRow } from '../../platform/db/outbound-tables.ts'
import type { BookingRow } from '../../platform/db/tables.ts'
import { AppError, factsOf, mayStillLand, toAppError } from '../../platform/errors.ts'
import { outboundQueue } from '../../platform/queue/queues.ts'
import { rewriteReservation } from '../apply/rewrite-reservation.ts'
import { knownExternalId } from '../booking-marker.ts'
import { findBooking } from '../booking-store.ts'
import { desiredBookingOf } from '../desired-booking.ts'
import { type BookingPush, type BookingPushDeps, readBack, tell } from './call-hostaway.ts'
import { deadLetterBooking } from './dead-letter-booking.ts'
import { alreadyHeld, nextStep } from './next-step.ts'
import {
  clearPending,
  endCall,
  finishPush,
  markPushDeadLettered,
  type PushClaim,
  PushLost,
  postponePush,
  releaseFailedPush,
} from './push-store.ts'
import { applyPending, withLockedBooking } from './revise-booking.ts'

/** `not_now`: the whole connection should come back at `retryAt`. */
export type BookingPushResult =
  | { outcome: 'done' | 'failed' | 'lost' }
  | { outcome: 'not_now'; retryAt: Date }

const deferMs = 5_000
// Told, seen, told of what changed meanwhile: whoever needs more rounds than this comes back for them.
const maxRounds = 5

/**
 * Tells Hostaway everything that waits for one booking and gives it back, whatever happens. What came of an earlier
 * call is found out first. Safe to repeat; only the holder of the lease tells anything.
 */
export async function pushBooking(
  deps: BookingPushDeps,
  connection: Connection,
  row: BookingPushRow,
): Promise<BookingPushResult> {
  const claim: PushClaim = { bookingId: row.booking_id, fence: row.fence }
  const push: BookingPush = { deps, connection, claim, action: row.sending ?? 'create' }
  try {
    await work(push, row)
    return { outcome: 'done' }
  } catch (caught) {
    if (caught instanceof PushLost) return { outcome: 'lost' }
    return await afterFailure(push, row, toAppError(caught))
  }
}

async function work(push: BookingPush, row: BookingPushRow): Promise<void> {
  const { deps, claim } = push
  await probeWhileBreakerOpen(await pushTargetOf(push))
  if (row.sending !== null) {
    await readBack(push, await requireBooking(push), row.sending)
    await endCall(deps.db, claim)
  }
  let created = false
  for (let round = 0; round < maxRounds; round += 1) {
    const booking = await settle(push)
    const { action } = nextStep(booking)
    if (action === 'none') {
      if (await finishPush(deps.db, claim, { queue: outboundQueue })) return
      continue
    }
    if (action === 'create' && created) {
      throw new AppError('rejected', 'Hostaway made a reservation that belongs to another booking')
    }
    push.action = action
    await tell(push, action)
    created ||= action === 'create'
    deps.metrics.bookingPushes.inc({ action, status: 'success' })
  }
  await postponePush(deps.db, claim, 0)
}

// Brings booking and desired value together as far as that is possible without a call.
async function settle(push: BookingPush): Promise<BookingRow> {
  const { deps, connection, claim } = push
  const booking = await requireBooking(push)
  const isFolded = knownExternalId(booking.external_id) === null
  if (Object.keys(isFolded ? desiredBookingOf(booking) : alreadyHeld(booking)).length === 0) return booking
  await withLockedBooking(
    deps.db,
    { id: claim.bookingId, tenantId: connection.tenantId },
    async (trx, locked) => {
      const desired = desiredBookingOf(locked)
      if (knownExternalId(locked.external_id) === null) return applyPending(trx, connection, locked, desired)
      await clearPending(trx, { id: locked.id, desired }, alreadyHeld(locked))
      return rewriteReservation(trx, connection, locked.external_id)
    },
  )
  return requireBooking(push)
}

async function pushTargetOf(push: BookingPush): Promise<PushTarget> {
  const { deps, connection } = push
  return { deps, connection, listing: await requireBooking(push) }
}

async function requireBooking({ deps, connection, claim }: BookingPush): Promise<BookingRow> {
  const booking = await findBooking(deps.db, claim.bookingId, connection.tenantId)
  if (booking === undefined) throw new Error('The booking of a push does not exist')
  return booking
}

async function afterFailure(
  push: BookingPush,
  row: BookingPushRow,
  failure: AppError,
): Promise<BookingPushResult> {
  const { deps, connection, claim } = push
  const { attempts } = row
  const line = {
    connectionId: connection.id,
    bookingId: claim.bookingId,
    kind: failure.kind,
    reason: failure.message,
    attempts,
  }
  const { outcome, remote } = factsOf(failure)
  if (outcome === 'defer' || (await findConnection(deps.db, connection.id))?.status !== 'active') {
    const retryAt = failure.retryAt ?? new Date(Date.now() + deferMs)
    await postponePush(deps.db, claim, Math.max(0, retryAt.getTime() - Date.now()))
    return { outcome: 'not_now', retryAt }
  }
  deps.metrics.bookingPushes.inc({ action: push.action, status: 'failure' })
  // While Hostaway is away, a failure says nothing about the booking.
  const usesAttempt = remote !== 'down' || (await isRemoteUp(await pushTargetOf(push)))
  if (outcome === 'deadLetter' || (usesAttempt && attempts + 1 >= deps.maxAttempts)) {
    const isSetAside = await deps.db.transaction().execute(async (trx) => {
      const { kind, message } = failure
      if (!(await markPushDeadLettered(trx, claim, { revision: row.revision, kind, message }))) return false
      await deadLetterBooking(trx, {
        connection,
        bookingId: claim.bookingId,
        failure,
        attempts: attempts + 1,
      })
      return true
    })
    if (!isSetAside) return { outcome: 'failed' }
    deps.metrics.deadLetters.inc({ queue: outboundQueue, kind: failure.kind })
    deps.log.error(line, 'booking.set_aside')
    return { outcome: 'failed' }
  }
  await releaseFailedPush(deps.db, claim, {
    usesAttempt,
    delayMs: backoffMs(usesAttempt ? attempts + 1 : attemptsWhileRemoteDown, deps.retryDelayMs),
    mayLand: mayStillLand(failure),
    message: failure.message,
  })
  deps.log.warn(line, 'booking.push_failed')
  return { outcome: 'failed' }
}
