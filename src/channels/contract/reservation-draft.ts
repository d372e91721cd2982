import type { Reservation } from './reservation.ts'

/**
 * What may be written of a reservation, by the names that a parsed one has. Days are `YYYY-MM-DD`, the amount is
 * decimal text in the listing's currency. Left out = as it is.
 */
export type ReservationFields = Partial<
  Pick<
    Reservation,
    | 'arrivalDate'
    | 'departureDate'
    | 'guestName'
    | 'guestEmail'
    | 'phone'
    | 'numberOfGuests'
    | 'adults'
    | 'children'
    | 'infants'
    | 'pets'
    | 'totalPrice'
    | 'hostNote'
  >
>

/** A reservation that TVL wants a channel to hold; a draft of ours, whatever the channel will make of it. */
export type ReservationDraft = {
  listingId: string
  /** Left in the reservation, so that it can be found by it. */
  marker: string
  currency: string | null
  fields: ReservationFields
}
