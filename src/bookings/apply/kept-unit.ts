import type { MappedBooking } from '../../mapping/booking-overrides.ts'
import { dayIn } from '../../platform/days.ts'
import type { BookingRow, ListingRow } from '../../platform/db/tables.ts'

/**
 * Leaves a booking in its unit where its listing has another one by now, or none: a stay that is over does not move,
 * and a listing that was taken off its unit moves nothing. Any other goes where its listing is. Pure but for the time.
 */
export function keepUnit(
  mapped: MappedBooking,
  booking: BookingRow | undefined,
  listing: ListingRow | undefined,
): MappedBooking {
  if (booking === undefined || listing === undefined || listing.unit_id === booking.unit_id) return mapped
  if (mapped.draft.listingId !== booking.listing_id) return mapped
  if (listing.unit_id !== null && !isOver(mapped.draft.checkOut, booking.check_out, listing)) return mapped
  return {
    draft: { ...mapped.draft, unitId: booking.unit_id },
    problems: mapped.problems.filter(({ code }) => code !== 'unmapped_listing'),
  }
}

function isOver(checkOut: string | null, checkOutBefore: string | null, { time_zone }: ListingRow): boolean {
  if (checkOut === null || checkOutBefore === null) return false
  const today = dayIn(time_zone, new Date())
  return checkOut <= today && checkOutBefore <= today
}
