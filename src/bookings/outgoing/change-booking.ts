import type { Kysely, Transaction } from 'kysely'
import { isHostsToChange } from '../../channels/hostaway/wire/reservation-fields.ts'
import type { Connection } from '../../connections/connection-store.ts'
import type { Database, ListingRow } from '../../platform/db/tables.ts'
import { Problem } from '../../platform/http/problems.ts'
import { outboundQueue } from '../../platform/queue/queues.ts'
import { rewriteReservation } from '../apply/rewrite-reservation.ts'
import { lockUnits } from '../block-store.ts'
import { knownExternalId } from '../booking-marker.ts'
import type { BookingWithTenant } from '../booking-store.ts'
import { type BookingWish, wishOf } from '../booking-wish.ts'
import { findTakenNights } from './free-nights-store.ts'
import { refuseTaken } from './make-booking.ts'
import { reservationOf } from './next-step.ts'
import { lockPush, requestPush, writeWish } from './push-store.ts'
import { foldWish, withLockedBooking } from './revise-booking.ts'

export type ChangeOptions = {
  connection: Connection
  booking: Pick<BookingWithTenant, 'id'>
  listing: ListingRow
}

/**
 * Changes a booking as wished and lets Hostaway be told; the later wish wins, field by field. New nights are taken at
 * once, old ones are held until Hostaway has let them go. Safe to repeat.
 */
export async function changeBooking(
  db: Kysely<Database>,
  { connection, booking, listing }: ChangeOptions,
  wish: BookingWish,
): Promise<void> {
  await withLockedBooking(db, { id: booking.id, tenantId: connection.tenantId }, async (trx, locked) => {
    if (locked.status === 'cancelled') {
      throw new Problem(409, 'BOOKING_CANCELLED', 'A cancelled booking cannot be changed; make a new one')
    }
    refuseForeign(locked, wish)
    await refuseStay(trx, listing, locked, wish)
    await write(trx, connection, locked, wish, `change of ${Object.keys(wish).join(', ')}`)
  })
}

/** Cancels a booking and lets Hostaway be told; its nights are free once Hostaway has let them go. Safe to repeat. */
export async function cancelBooking(
  db: Kysely<Database>,
  { connection, booking }: Omit<ChangeOptions, 'listing'>,
): Promise<void> {
  await withLockedBooking(db, { id: booking.id, tenantId: connection.tenantId }, async (trx, locked) => {
    if (locked.status === 'cancelled') return
    const wish: BookingWish = { status: 'cancelled' }
    refuseForeign(locked, wish)
    await write(trx, connection, locked, wish, 'cancellation')
  })
}

async function write(
  trx: Transaction<Database>,
  connection: Connection,
  booking: BookingWithTenant,
  wish: BookingWish,
  accepted: string,
): Promise<void> {
  const push = await lockPush(trx, booking.id)
  if (knownExternalId(booking.external_id) === null && push?.sending == null) {
    await foldWish(trx, connection, booking, { ...wishOf(booking), ...wish })
  } else {
    await writeWish(trx, booking.id, { ...wishOf(booking), ...wish })
    await rewriteReservation(trx, connection, booking.external_id)
  }
  await requestPush(
    trx,
    { bookingId: booking.id, connectionId: connection.id, tenantId: booking.tenant_id },
    { accepted, queue: outboundQueue },
  )
}

// A note is the host's own; everything else of a booking belongs to the channel that it came from.
function refuseForeign(booking: BookingWithTenant, wish: BookingWish): void {
  const isNoteOnly = Object.keys(wish).every((name) => name === 'note')
  if (isNoteOnly || isHostsToChange(reservationOf(booking))) return
  const channel = booking.channel_name ?? 'its channel'
  throw new Problem(
    409,
    'BOOKING_NOT_CHANGEABLE',
    `The booking belongs to ${channel}: change or cancel it there. Only its note can be changed here.`,
  )
}

async function refuseStay(
  trx: Transaction<Database>,
  listing: ListingRow,
  booking: BookingWithTenant,
  wish: BookingWish,
): Promise<void> {
  const checkIn = wish.checkIn ?? booking.check_in
  const checkOut = wish.checkOut ?? booking.check_out
  if ((wish.checkIn ?? wish.checkOut) === undefined || checkIn === null || checkOut === null) return
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
