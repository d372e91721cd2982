import { decidePush, type PushTarget, probeWhileBreakerOpen } from '../../calendar/host-probe.ts'
import type { ReservationFormat } from '../../channels/contract/reservation.ts'
import type { Connection } from '../../connections/connection-store.ts'
import { openDeadLetter } from '../../dead-letters/dead-letter-store.ts'
import type { BookingPushRow } from '../../platform/db/outbound-tables.ts'
import type { BookingRow } from '../../platform/db/tables.ts'
import { AppError, mayStillLand, toAppError } from '../../platform/errors.ts'
import { outboundQueue } from '../../platform/queue/queues.ts'
import { rewriteReservation } from '../apply/rewrite-reservation.ts'
import { knownExternalId } from '../booking-marker.ts'
import { findBooking } from '../booking-store.ts'
import { desiredBookingOf } from '../desired-booking.ts'
import { type BookingPush, type BookingPushDeps, readBack, tell } from './call-hostaway.ts'
import { alreadyHeld, nextStep } from './next-step.ts'
import {
  clearPending,
  endCall,
  finishPush,
  markPushDeadLettered,
  type PushClaim,
  PushLost,
  postponePush,
  pushSubject,
  releaseFailedPush,
} from './push-store.ts'
import { applyPending, withLockedBooking } from './revise-booking.ts'

/** `not_now`: the whole connection should come back at `retryAt`. */
export type BookingPushResult =
  | { outcome: 'done' | 'failed' | 'lost' }
  | { outcome: 'not_now'; retryAt: Date }

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
    const { action } = nextStep(formatOf(push), booking)
    if (action === 'none') {
      if (await finishPush(deps.db, claim)) return
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
  const format = formatOf(push)
  const isFolded = knownExternalId(booking.external_id) === null
  if (Object.keys(isFolded ? desiredBookingOf(booking) : alreadyHeld(format, booking)).length === 0)
    return booking
  await withLockedBooking(
    deps.db,
    { id: claim.bookingId, tenantId: connection.tenantId },
    async (trx, locked) => {
      const desired = desiredBookingOf(locked)
      if (knownExternalId(locked.external_id) === null)
        return applyPending(trx, { connection, format }, locked, desired)
      await clearPending(trx, { id: locked.id, desired }, alreadyHeld(format, locked))
      return rewriteReservation(trx, { connection, format }, locked.external_id)
    },
  )
  return requireBooking(push)
}

async function pushTargetOf(push: BookingPush): Promise<PushTarget> {
  const { deps, connection } = push
  return { deps, connection, listing: await requireBooking(push) }
}

function formatOf({ deps, connection }: BookingPush): ReservationFormat {
  return deps.channels.of(connection.channel).format
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
  const decision = await decidePush(await pushTargetOf(push), failure, row.attempts)
  if (decision.outcome === 'defer') {
    await postponePush(deps.db, claim, Math.max(0, decision.until.getTime() - Date.now()))
    return { outcome: 'not_now', retryAt: decision.until }
  }
  deps.metrics.bookingPushes.inc({ action: push.action, status: 'failure' })
  if (decision.outcome === 'deadLetter') {
    await deadLetterPush(push, row, failure)
    return { outcome: 'failed' }
  }
  await releaseFailedPush(deps.db, claim, {
    usesAttempt: decision.usesAttempt,
    delayMs: decision.afterMs,
    mayLand: mayStillLand(failure),
    message: failure.message,
  })
  const { kind, message: reason } = failure
  const { bookingId } = claim
  const line = { connectionId: connection.id, bookingId, kind, reason, attempts: row.attempts }
  deps.log.warn(line, 'booking.push_failed')
  return { outcome: 'failed' }
}

// Unless the booking was changed meanwhile: nothing has refused what it is now.
async function deadLetterPush(
  { deps, connection, claim: { bookingId }, claim }: BookingPush,
  { revision, attempts }: BookingPushRow,
  error: AppError,
): Promise<void> {
  const { kind, message } = error
  await deps.db.transaction().execute(async (trx) => {
    if (!(await markPushDeadLettered(trx, claim, { revision, kind, message }))) return
    await openDeadLetter(trx, deps, {
      tenantId: connection.tenantId,
      connectionId: connection.id,
      queue: outboundQueue,
      job: 'push-booking',
      subject: pushSubject(bookingId),
      payload: { bookingId, connectionId: connection.id },
      error,
      attempts: attempts + 1,
    })
  })
}
