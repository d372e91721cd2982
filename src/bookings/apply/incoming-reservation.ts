import type { Reservation } from '../../channels/contract/reservation.ts'
import type { ReservationDraft } from '../../channels/contract/reservation-draft.ts'
import type { ManualOverride } from '../../mapping/booking-overrides.ts'
import type { ReservationVersion } from '../booking-store.ts'

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
  /** What TVL wrote of a booking that it makes with this. */
  draft?: ReservationDraft
  /** The booking made in TVL that this is the reservation of, where the caller knows it without the marker. */
  bookingId?: string
  /** Whether to stop where its listing is not known, because it may be fetched; otherwise it waits for a person. */
  stopAtUnknownListing?: boolean
  /** Whether this is what is stored already, looked at once more because something else has changed. */
  isStored?: boolean
  /** A manager's approval, with its overrides beside the earlier ones. */
  approved?: ManualOverride
}
