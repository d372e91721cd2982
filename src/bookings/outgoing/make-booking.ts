import type { Kysely, Transaction } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { ReservationFormat } from '../../channels/contract/reservation.ts'
import type { ReservationDraft } from '../../channels/contract/reservation-draft.ts'
import type { Connection } from '../../connections/connection-store.ts'
import { findListings } from '../../listings/listing-store.ts'
import { databaseTime } from '../../platform/db/database-time.ts'
import type { Database, ListingRow } from '../../platform/db/tables.ts'
import { Problem } from '../../platform/http/problems.ts'
import { applyReservationsWithin } from '../apply/apply-reservation.ts'
import { findQueuedReservations } from '../approval-store.ts'
import { lockUnits } from '../block-store.ts'
import { markerOf } from '../booking-marker.ts'
import { type BookingWithTenant, findBooking, lockReservations } from '../booking-store.ts'
import type { DesiredBooking } from '../desired-booking.ts'
import { toFields } from './next-step.ts'
import { requestPush } from './push-store.ts'
import { findTakenNights, type TakenNight } from './taken-nights-store.ts'

export type NewBooking = {
  connection: Connection
  /** How the connection's channel spells reservations. */
  format: ReservationFormat
  /** The listing that stood for the unit when it was looked up. */
  listing: ListingRow
  unitId: string
  checkIn: string
  checkOut: string
  desired: DesiredBooking
}

const nightsNamed = 10

/**
 * Makes a booking in the caller's transaction: blocks its nights, emits its events and requests its push. Refuses taken
 * nights, and bookings that the connection's mapping finds incomplete.
 */
export async function makeBooking(
  trx: Transaction<Database>,
  { connection, format, listing: seen, unitId, checkIn, checkOut, desired }: NewBooking,
): Promise<BookingWithTenant> {
  const { tenantId } = connection
  const { listing_id: listingId } = seen
  const bookingId = uuid()
  const marker = markerOf(bookingId)
  const key = { connectionId: connection.id, externalId: marker }
  await lockReservations(trx, [key])
  // Only from here on does it keep its unit.
  const [listing] = await findListings(trx, [{ connectionId: connection.id, listingId }])
  if (listing?.unit_id !== unitId) throw unknownUnit(unitId)
  await lockUnits(trx, [{ tenantId, unitId }])
  refuseTaken(await findTakenNights(trx, { tenantId, unitId, listing, checkIn, checkOut, ownId: null }))
  const draft: ReservationDraft = {
    listingId,
    marker,
    currency: listing.currency,
    isCancelled: false,
    fields: { ...toFields(desired), arrivalDate: checkIn, departureDate: checkOut },
  }
  await applyReservationsWithin(trx, [
    {
      // A booking made in TVL needs no approval.
      connection: { ...connection, autoImport: true },
      reservation: format.ofDraft(draft),
      draft,
      version: { kind: 'provisional', at: await databaseTime(trx), fetchedAt: null },
      webhook: null,
    },
  ])
  const booking = await findBooking(trx, bookingId, tenantId)
  if (booking === undefined) throw await notMapped(trx, key)
  await requestPush(trx, { bookingId, connectionId: connection.id, tenantId }, 'made in TVL')
  return booking
}

/** The answer to a booking of a unit that no listing stands for. */
export function unknownUnit(unitId: string): Problem {
  const errors = [{ field: 'unitId', message: `unit ${unitId} is not known` }]
  return new Problem(422, 'VALIDATION_FAILED', 'Nothing was stored: the booking is not valid', errors)
}

/** Answers with the nights that are taken, if there are any. */
export function refuseTaken(taken: TakenNight[]): void {
  if (taken.length === 0) return
  const named = taken.slice(0, nightsNamed).map(({ night, reason }) => `${night} (${reason})`)
  const more = taken.length > nightsNamed ? ` and ${taken.length - nightsNamed} more` : ''
  throw new Problem(
    409,
    'UNIT_NOT_AVAILABLE',
    `The unit is not available on ${named.join(', ')}${more}. A closed night must be opened before it is booked.`,
  )
}

async function notMapped(
  db: Kysely<Database>,
  key: { connectionId: string; externalId: string },
): Promise<Problem> {
  const [queued] = await findQueuedReservations(db, [key])
  return new Problem(
    422,
    'VALIDATION_FAILED',
    'Nothing was stored: the mapping of the connection makes no booking of this',
    queued?.problems.map(({ field, message }) => ({ field, message })) ?? [],
  )
}
