import type { Read } from './field-reader.ts'

/**
 * What may be written of a reservation, by the names that a parsed one has. Days are `YYYY-MM-DD`, the amount is
 * decimal text in the listing's currency. Left out = as it is.
 */
export type ReservationFields = {
  arrivalDate?: Read<string>
  departureDate?: Read<string>
  guestName?: Read<string>
  guestEmail?: Read<string>
  phone?: Read<string>
  numberOfGuests?: Read<number>
  adults?: Read<number>
  children?: Read<number>
  infants?: Read<number>
  pets?: Read<number>
  totalPrice?: Read<string>
  hostNote?: Read<string>
}

/** A reservation that TVL wants a channel to hold; a draft of ours, whatever the channel will make of it. */
export type ReservationDraft = {
  listingId: string
  /** Left in the reservation, so that it can be found by it. */
  marker: string
  currency: string | null
  /** Cancelled before the channel heard of it. */
  isCancelled: boolean
  fields: ReservationFields
}
