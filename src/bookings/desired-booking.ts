import type { BookingDraft } from '../mapping/booking-draft.ts'
import type { BookingRow } from '../platform/db/tables.ts'

/**
 * What is desired of a booking otherwise than the channel holds it, by the names of a draft; a field left out is as
 * the channel says. Days are `YYYY-MM-DD`, the amount is in the booking's currency.
 */
export type DesiredBooking = { status?: 'cancelled'; note?: string | null } & Partial<
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

/** What is still desired of a booking. */
export function desiredBookingOf(booking: Pick<BookingRow, 'desired'> | undefined): DesiredBooking {
  return (booking?.desired ?? {}) as DesiredBooking
}

/** A draft of the channel's version with the desired values on top. A booking that the channel cancelled stays cancelled. */
export function withDesired(draft: BookingDraft, desired: DesiredBooking): BookingDraft {
  if (draft.status === 'cancelled' || Object.keys(desired).length === 0) return draft
  const { note: _note, ...fields } = desired
  return { ...draft, ...fields }
}

/** What of a desired value is left once `done` of it was done: whatever has changed meanwhile. */
export function remainingDesired(desired: DesiredBooking, done: DesiredBooking): DesiredBooking {
  return Object.fromEntries(
    Object.entries(desired).filter(([field, value]) => done[field as keyof DesiredBooking] !== value),
  )
}
