import { decidePush, type PushTarget, probeWhileBreakerOpen } from '../../calendar/remote-probe.ts'
import type { ReservationFormat } from '../../channels/contract/reservation.ts'
import type { Connection } from '../../connections/connection-store.ts'
import { openDeadLetter } from '../../dead-letters/dead-letter-store.ts'
import type { BookingPushRow } from '../../platform/db/outbound-tables.ts'
import type { BookingRow } from '../../platform/db/tables.ts'
import { AppError, mayStillLand, toAppError } from '../../platform/errors.ts'
import { outboundQueue } from '../../platform/queue/queues.ts'
import { LeaseLost } from '../../platform/work/leases.ts'
import { rewriteReservation } from '../apply/write-reservations.ts'
import { knownExternalId } from '../booking-marker.ts'
import { findBooking } from '../booking-store.ts'
import { desiredBookingOf } from '../desired-booking.ts'
import { type BookingPush, type BookingPushDeps, pushAction, readBack } from './booking-calls.ts'
import { alreadyHeld, nextStep } from './next-step.ts'
import {
  bookingLease,
  bookingLeases,
  clearPending,
  endCall,
  finishPush,
  markPushFailed,
  pushSubject,
} from './push-store.ts'
import { applyPending, withLockedBooking } from './revise-booking.ts'

/** `not_now`: the whole connection is deferred until `retryAt`. */
export type BookingPushResult =
  | { outcome: 'done' | 'failed' | 'lost' }
  | { outcome: 'not_now'; retryAt: Date }

// A booking that changes during each call is released after so many calls, and claimed again.
const maxRounds = 5

/**
 * Pushes everything that waits for one booking and releases it, whatever happens. The outcome of an earlier call is
 * read back first. Safe to repeat; only the holder of the lease makes calls.
 */
export async function pushBooking(
  deps: BookingPushDeps,
  connection: Connection,
  row: BookingPushRow,
): Promise<BookingPushResult> {
  const lease = bookingLease(row)
  const push: BookingPush = { deps, connection, lease, action: row.sending ?? 'create' }
  try {
    return await bookingLeases.hold(deps.db, lease, deps.times.leaseMs, () => workOrFail(push, row))
  } catch (caught) {
    if (caught instanceof LeaseLost) return { outcome: 'lost' }
    throw caught
  }
}

async function workOrFail(push: BookingPush, row: BookingPushRow): Promise<BookingPushResult> {
  try {
    await work(push, row)
    return { outcome: 'done' }
  } catch (caught) {
    if (caught instanceof LeaseLost) throw caught
    return afterFailure(push, row, toAppError(caught))
  }
}

async function work(push: BookingPush, row: BookingPushRow): Promise<void> {
  const { deps, lease } = push
  await probeWhileBreakerOpen(await pushTargetOf(push))
  if (row.sending !== null) {
    await readBack(push, await requireBooking(push), row.sending)
    await endCall(deps.db, lease)
  }
  let created = false
  for (let round = 0; round < maxRounds; round += 1) {
    const booking = await settle(push)
    const { action } = nextStep(formatOf(push), booking)
    if (action === 'none') {
      if (await finishPush(deps.db, lease)) return
      continue
    }
    if (action === 'create' && created) {
      throw new AppError('rejected', 'The channel made a reservation that belongs to another booking')
    }
    push.action = action
    await pushAction(push, action)
    created ||= action === 'create'
    deps.metrics.bookingPushes.inc({ action, status: 'success' })
  }
  await bookingLeases.release(deps.db, lease, { inMs: 0 })
}

// Brings booking and desired value together as far as that is possible without a call.
async function settle(push: BookingPush): Promise<BookingRow> {
  const { deps, connection, lease } = push
  const booking = await requireBooking(push)
  const format = formatOf(push)
  const isFolded = knownExternalId(booking.external_id) === null
  if (Object.keys(isFolded ? desiredBookingOf(booking) : alreadyHeld(format, booking)).length === 0)
    return booking
  await withLockedBooking(
    deps.db,
    { id: lease.bookingId, tenantId: connection.tenantId },
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

async function requireBooking({ deps, connection, lease }: BookingPush): Promise<BookingRow> {
  const booking = await findBooking(deps.db, lease.bookingId, connection.tenantId)
  if (booking === undefined) throw new Error('The booking of a push does not exist')
  return booking
}

async function afterFailure(
  push: BookingPush,
  row: BookingPushRow,
  failure: AppError,
): Promise<BookingPushResult> {
  const { deps, connection, lease } = push
  const decision = await decidePush(await pushTargetOf(push), failure, row.attempts)
  if (decision.outcome === 'defer') {
    await bookingLeases.release(deps.db, lease, { inMs: decision.until.getTime() - Date.now() })
    return { outcome: 'not_now', retryAt: decision.until }
  }
  deps.metrics.bookingPushes.inc({ action: push.action, status: 'failure' })
  if (decision.outcome === 'deadLetter') {
    await deadLetterPush(push, row, failure)
    return { outcome: 'failed' }
  }
  const { kind, message: reason } = failure
  await bookingLeases.release(deps.db, lease, {
    inMs: decision.afterMs,
    failure: { message: reason, usesAttempt: decision.usesAttempt, mayLand: mayStillLand(failure) },
  })
  const { bookingId } = lease
  const line = { connectionId: connection.id, bookingId, kind, reason, attempts: row.attempts }
  deps.log.warn(line, 'booking.push_failed')
  return { outcome: 'failed' }
}

// Unless the booking was changed meanwhile: nothing has refused what it is now.
async function deadLetterPush(
  { deps, connection, lease }: BookingPush,
  { revision, attempts }: BookingPushRow,
  error: AppError,
): Promise<void> {
  const { kind, message } = error
  const { bookingId } = lease
  await deps.db.transaction().execute(async (trx) => {
    if (!(await markPushFailed(trx, lease, { revision, kind, message }))) return
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
