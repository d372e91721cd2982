import type { BookingDraft } from '../mapping/booking-draft.ts'
import type { BookingRow } from '../platform/db/tables.ts'

/**
 * What is wished of a booking otherwise than Hostaway holds it, by the names of a draft; a field left out is as
 * Hostaway says. Days are `YYYY-MM-DD`, the amount is in the booking's currency.
 */
export type BookingWish = { status?: 'cancelled'; note?: string | null } & Partial<
  Pick<
    BookingDraft,
    | 'checkIn'
    | 'checkOut'
    | 'guestName'
    | 'guestEmail'
    | 'guestPhone'
    | 'guestsTotal'
    | 'guestsAdults'
    | 'guestsChildren'
    | 'guestsInfants'
    | 'guestsPets'
    | 'amountTotal'
    | 'amountMinor'
  >
>

/** What is still wished of a booking. */
export function wishOf(booking: Pick<BookingRow, 'wished'> | undefined): BookingWish {
  return (booking?.wished ?? {}) as BookingWish
}

/** A draft of what Hostaway holds with the wish laid over it. What Hostaway has cancelled is beyond wishing. */
export function withWish(draft: BookingDraft, wish: BookingWish): BookingDraft {
  if (draft.status === 'cancelled' || Object.keys(wish).length === 0) return draft
  const { note: _note, ...wished } = wish
  return { ...draft, ...wished }
}

/** What of a wish is left once `done` of it was done: whatever has changed meanwhile. */
export function remainingWish(wish: BookingWish, done: BookingWish): BookingWish {
  return Object.fromEntries(
    Object.entries(wish).filter(([field, value]) => done[field as keyof BookingWish] !== value),
  )
}
