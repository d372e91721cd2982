import type { ReservationVersion } from '../bookings/booking-store.ts'
import type { Reservation } from '../hostaway/wire/reservation.ts'

/** The connection that a reservation belongs to, as far as its booking shows it. */
export type ReservationOwner = {
  id: string
  tenantId: string
  tenantSlug: string
  channel: string
  autoImport: boolean
}

/** One version of a reservation, from whatever source, ready to be applied. */
export type IncomingReservation = {
  connection: ReservationOwner
  reservation: Reservation
  version: ReservationVersion
  /** The webhook that brought it; it is marked as processed in the same transaction. */
  webhook: { id: string; receivedAt: Date } | null
  /** Whether to stop where its listing is not known, because it may be fetched; otherwise it waits for a person. */
  stopAtUnknownListing?: boolean
}
