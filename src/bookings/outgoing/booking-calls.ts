import { mayLandForMs, type OutboundTimes } from '../../calendar/push-context.ts'
import {
  type BookingWriteCapability,
  type CallContext,
  capabilityOf,
} from '../../channels/contract/channel.ts'
import type { Reservation } from '../../channels/contract/reservation.ts'
import { type ChannelDeps, callChannel } from '../../connections/call-channel.ts'
import type { Connection } from '../../connections/connection-store.ts'
import { databaseTime } from '../../platform/db/database-time.ts'
import type { BookingPushAction } from '../../platform/db/outbound-tables.ts'
import type { BookingRow } from '../../platform/db/tables.ts'
import { AppError, factsOf, isRefusal, toAppError } from '../../platform/errors.ts'
import type { Metrics } from '../../platform/telemetry/metrics.ts'
import { applyReservation } from '../apply/apply-reservation.ts'
import { reservationOf } from '../apply/stored-reservation.ts'
import { rewriteReservation } from '../apply/write-reservations.ts'
import { knownExternalId, markerOf } from '../booking-marker.ts'
import { findBooking, findBookingsOfReservations } from '../booking-store.ts'
import { type DesiredBooking, desiredBookingOf } from '../desired-booking.ts'
import { type NextStep, nextStep } from './next-step.ts'
import { type BookingLease, beginCall, clearPending, endCall, noteStep } from './push-store.ts'
import { withLockedBooking } from './revise-booking.ts'

export type BookingPushDeps = ChannelDeps & {
  metrics: Metrics
  times: OutboundTimes
  timeoutMs: number
  maxAttempts: number
  retryDelayMs: number
}

const urgently = { urgency: 'urgent' } as const

/** One booking during its push. */
export type BookingPush = {
  deps: BookingPushDeps
  connection: Connection
  lease: BookingLease
  /** The action under way, or the last one. */
  action: BookingPushAction
}

/**
 * Makes one call to the channel and stores its answer. Throws an AppError: then either nothing happened, or the call
 * stays noted as one with an unknown outcome. Does nothing if `action` is no longer the next step.
 */
export async function pushAction(push: BookingPush, action: BookingPushAction): Promise<void> {
  const { deps, lease } = push
  let answer: Answer | undefined
  try {
    answer = await call(push, action)
  } catch (error) {
    if (factsOf(toAppError(error)).effect === 'none') await endCall(deps.db, lease)
    throw error
  }
  if (answer !== undefined) await writeDown(push, answer)
  await endCall(deps.db, lease)
}

async function call(push: BookingPush, action: BookingPushAction): Promise<Answer | undefined> {
  const { deps, connection, lease } = push
  return callChannel(deps, connection, urgently, async (channel, call) => {
    const startBefore = performance.now() + deps.times.startMs
    await beginCall(deps.db, lease, action, mayLandForMs(deps))
    // Only now: from here on a change of the booking is a desired value beside the one being sent.
    const booking = await findBooking(deps.db, lease.bookingId, connection.tenantId)
    const step: NextStep = booking === undefined ? { action: 'none' } : nextStep(channel.format, booking)
    if (booking === undefined || step.action !== action) return undefined
    const writes = capabilityOf(channel, 'bookingWrites')
    return { step, reservation: await send(push, { writes, call: { ...call, startBefore } }, booking, step) }
  })
}

/** Finds out what came of a call without a clear answer, and brings the booking to what the channel holds. */
export async function readBack(
  push: BookingPush,
  booking: BookingRow,
  sending: BookingPushAction,
): Promise<void> {
  const { deps, connection } = push
  const externalId = knownExternalId(booking.external_id)
  // The webhook was faster: what is stored is what came of it.
  if (sending === 'create' && externalId !== null) return
  const startedAt = await databaseTime(deps.db)
  const found = await callChannel(deps, connection, urgently, (channel, call) =>
    externalId === null
      ? findCreated(push, { writes: capabilityOf(channel, 'bookingWrites'), call }, booking)
      : capabilityOf(channel, 'reservations').read(call, externalId),
  )
  if (found !== undefined) await applyAnswer(push, found, startedAt)
}

type WriteCall = { writes: BookingWriteCapability; call: CallContext }

async function send(
  push: BookingPush,
  { writes, call }: WriteCall,
  booking: BookingRow,
  step: Exclude<NextStep, { action: 'none' }>,
): Promise<Reservation> {
  if (step.action === 'cancel') return writes.cancel(call, booking.external_id)
  if (step.action === 'change') return writes.change(call, booking.external_id, step.fields)
  try {
    return await writes.create(call, step.draft)
  } catch (error) {
    // "Not available" is also the answer when an earlier attempt of ours holds the nights.
    if (!(error instanceof AppError && isRefusal(error))) throw error
    const found = await findCreated(push, { writes, call }, booking)
    if (found === undefined) throw error
    return found
  }
}

async function findCreated(
  { deps }: BookingPush,
  { writes, call: { startBefore: _, ...call } }: WriteCall,
  booking: BookingRow,
): Promise<Reservation | undefined> {
  const { listing_id: listingId, check_in: arrivalDate } = booking
  const marker = markerOf(booking.id)
  const [marked, ...others] = await writes.findByMarker(call, { listingId, marker })
  if (others.length > 0) {
    const reservations = others.map(({ id }) => id)
    deps.log.error({ bookingId: booking.id, reservations }, 'booking.made_twice')
  }
  if (marked !== undefined || arrivalDate === null) return marked
  const sameDay = await writes.findByArrival(call, { listingId, arrivalDate })
  const alike = sameDay.filter((reservation) =>
    isTheSame(reservation, reservationOf(deps.channels.of(booking.channel).format, booking)),
  )
  const connectionId = booking.connection_id
  const known = await findBookingsOfReservations(
    deps.db,
    alike.map(({ id }) => ({ connectionId, externalId: id })),
  )
  return alike.find(({ id }) => !known.some((one) => one.external_id === id && one.origin === 'tvl'))
}

// If the channel does not keep the marker, a guest who has booked the same nights directly is the guest of this booking.
function isTheSame(found: Reservation, made: Reservation): boolean {
  const names = ['channelId', 'arrivalDate', 'departureDate', 'guestName', 'guestEmail'] as const
  return (
    found.marker == null &&
    found.bookingStatus !== 'cancelled' &&
    names.every((name) => (found[name] ?? null) === (made[name] ?? null))
  )
}

type Answer = {
  step: Exclude<NextStep, { action: 'none' }>
  reservation: Reservation
}

async function writeDown(push: BookingPush, { step, reservation }: Answer): Promise<void> {
  const { title } = push.deps.channels.of(push.connection.channel)
  if (step.action === 'change') refuseIfKept(title, step.fields, reservation)
  await applyAnswer(push, reservation, null)
  if (step.action === 'create') return
  await clearSent(push, step.sent)
  const detail = step.action === 'cancel' ? 'cancelled' : `changed ${Object.keys(step.fields).join(', ')}`
  await noteStep(push.deps.db, push.lease.bookingId, 'pushed', detail)
}

// A channel may answer "success" and leave things as they were; nights must not be guessed.
function refuseIfKept(title: string, fields: Record<string, unknown>, reservation: Reservation): void {
  for (const name of ['arrivalDate', 'departureDate'] as const) {
    if (fields[name] === undefined || reservation[name] === fields[name]) continue
    throw new AppError('rejected', `${title} answered that all is well and left ${name} as it was`)
  }
}

/** Applies what the channel holds like a webhook; `fetchedAt` is when it was asked for it, null for an answer to a write. */
async function applyAnswer(
  push: BookingPush,
  reservation: Reservation,
  fetchedAt: Date | null,
): Promise<void> {
  const { deps, connection, lease } = push
  const version =
    reservation.updatedOn === undefined
      ? { kind: 'provisional' as const, at: fetchedAt ?? (await databaseTime(deps.db)), fetchedAt }
      : { kind: 'source' as const, at: reservation.updatedOn, fetchedAt }
  const applied = await applyReservation(deps.db, {
    connection,
    reservation,
    version,
    webhook: null,
    bookingId: lease.bookingId,
  })
  if (applied.outcome !== 'conflict') return
  // A webhook with the same version contradicts it: only a fresh read decides.
  const startedAt = await databaseTime(deps.db)
  const fetched = await callChannel(deps, connection, urgently, (channel, call) =>
    capabilityOf(channel, 'reservations').read(call, reservation.id),
  )
  await applyAnswer(push, fetched, startedAt)
}

async function clearSent({ deps, connection, lease }: BookingPush, sent: DesiredBooking): Promise<void> {
  await withLockedBooking(
    deps.db,
    { id: lease.bookingId, tenantId: connection.tenantId },
    async (trx, booking) => {
      await clearPending(trx, { id: booking.id, desired: desiredBookingOf(booking) }, sent)
      await rewriteReservation(
        trx,
        { connection, format: deps.channels.of(connection.channel).format },
        booking.external_id,
      )
    },
  )
}
