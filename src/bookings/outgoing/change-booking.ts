import type { Kysely, Transaction } from 'kysely'
import { type Channel, capabilityOf } from '../../channels/contract/channel.ts'
import type { ReservationFormat } from '../../channels/contract/reservation.ts'
import type { Connection } from '../../connections/connection-store.ts'
import type { Database, ListingRow } from '../../platform/db/tables.ts'
import { Problem } from '../../platform/http/problems.ts'
import { reservationOf } from '../apply/stored-reservation.ts'
import { rewriteReservation } from '../apply/write-reservations.ts'
import { lockUnits } from '../block-store.ts'
import { knownExternalId } from '../booking-marker.ts'
import type { BookingWithTenant } from '../booking-store.ts'
import { writeDesiredBooking } from '../booking-store.ts'
import { type DesiredBooking, desiredBookingOf } from '../desired-booking.ts'
import { refuseTaken } from './make-booking.ts'
import { lockPush, requestPush } from './push-store.ts'
import { applyPending, withLockedBooking } from './revise-booking.ts'
import { findTakenNights } from './taken-nights-store.ts'

export type ChangeOptions = {
  connection: Connection
  channel: Channel
  booking: Pick<BookingWithTenant, 'id'>
  listing: ListingRow
}

/**
 * Changes a booking as desired and requests its push; the later desired value wins, field by field. New nights are taken at
 * once, old ones are held until the channel has let them go. Safe to repeat.
 */
export async function changeBooking(
  db: Kysely<Database>,
  { connection, channel, booking, listing }: ChangeOptions,
  desired: DesiredBooking,
): Promise<void> {
  await withLockedBooking(db, { id: booking.id, tenantId: connection.tenantId }, async (trx, locked) => {
    if (locked.status === 'cancelled') {
      throw new Problem(409, 'BOOKING_CANCELLED', 'A cancelled booking cannot be changed; make a new one')
    }
    refuseForeign(channel, locked, desired)
    await refuseStay(trx, listing, locked, desired)
    await write(
      trx,
      { connection, format: channel.format },
      locked,
      desired,
      `change of ${Object.keys(desired).join(', ')}`,
    )
  })
}

/** Cancels a booking and requests its push; its nights are free once the channel has released them. Safe to repeat. */
export async function cancelBooking(
  db: Kysely<Database>,
  { connection, channel, booking }: Omit<ChangeOptions, 'listing'>,
): Promise<void> {
  await withLockedBooking(db, { id: booking.id, tenantId: connection.tenantId }, async (trx, locked) => {
    if (locked.status === 'cancelled') return
    const desired: DesiredBooking = { status: 'cancelled' }
    refuseForeign(channel, locked, desired)
    await write(trx, { connection, format: channel.format }, locked, desired, 'cancellation')
  })
}

async function write(
  trx: Transaction<Database>,
  owner: { connection: Connection; format: ReservationFormat },
  booking: BookingWithTenant,
  desired: DesiredBooking,
  accepted: string,
): Promise<void> {
  const { connection } = owner
  const push = await lockPush(trx, booking.id)
  if (knownExternalId(booking.external_id) === null && push?.sending == null) {
    await applyPending(trx, owner, booking, { ...desiredBookingOf(booking), ...desired })
  } else {
    await writeDesiredBooking(trx, booking.id, { ...desiredBookingOf(booking), ...desired })
    await rewriteReservation(trx, owner, booking.external_id)
  }
  await requestPush(
    trx,
    { bookingId: booking.id, connectionId: connection.id, tenantId: booking.tenant_id },
    accepted,
  )
}

// A note is the host's own; everything else of a booking belongs to the channel that it came from.
function refuseForeign(channel: Channel, booking: BookingWithTenant, desired: DesiredBooking): void {
  const isNoteOnly = Object.keys(desired).every((name) => name === 'note')
  if (isNoteOnly || capabilityOf(channel, 'bookingWrites').mayChange(reservationOf(channel.format, booking)))
    return
  const bookedAt = booking.channel_name ?? 'its channel'
  throw new Problem(
    409,
    'BOOKING_NOT_CHANGEABLE',
    `The booking belongs to ${bookedAt}: change or cancel it there. Only its note can be changed here.`,
  )
}

async function refuseStay(
  trx: Transaction<Database>,
  listing: ListingRow,
  booking: BookingWithTenant,
  desired: DesiredBooking,
): Promise<void> {
  const checkIn = desired.checkIn ?? booking.check_in
  const checkOut = desired.checkOut ?? booking.check_out
  if ((desired.checkIn ?? desired.checkOut) === undefined || checkIn === null || checkOut === null) return
  // The other day may have changed since the request was checked.
  if (checkOut <= checkIn) {
    const errors = [{ field: 'checkOut', message: `must be after checkIn ${checkIn}` }]
    throw new Problem(422, 'VALIDATION_FAILED', 'Nothing was changed: the booking is not valid', errors)
  }
  const tenantId = booking.tenant_id
  await lockUnits(trx, [{ tenantId, unitId: booking.unit_id }])
  refuseTaken(
    await findTakenNights(trx, {
      tenantId,
      unitId: booking.unit_id,
      listing,
      checkIn,
      checkOut,
      ownId: booking.id,
    }),
  )
}
