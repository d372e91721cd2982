import type { BookingDraft, MappingProblem } from '../../mapping/booking-draft.ts'
import type { MappedBooking } from '../../mapping/booking-overrides.ts'
import { dayIn } from '../../platform/days.ts'
import type { ApprovalStatus, BookingRow, ListingRow } from '../../platform/db/tables.ts'
import type { Block } from '../block-store.ts'
import type { CompleteDraft } from '../booking-store.ts'

/** What is to become of a version that is to be applied. */
export type ReservationPlan = {
  /** The booking to write; null leaves it as it is. */
  booking: CompleteDraft | null
  /** The status of the row for a person; null where there is to be none. */
  approval: ApprovalStatus | null
  /** The nights to hold; null for none, 'keep' where the body does not say enough to know. */
  block: Block | null | 'keep'
}

export type PlanInput = {
  draft: BookingDraft
  problems: MappingProblem[]
  autoImport: boolean
  /** A manager has just approved it. */
  approved: boolean
  booking: BookingRow | undefined
  approval: ApprovalStatus | null
}

/** Decides between booking, waiting and withdrawing. Pure. */
export function planReservation(input: PlanInput): ReservationPlan {
  const { draft, problems, approval, approved } = input
  const block = blockOf(draft)
  if (approval === 'rejected' && input.booking === undefined && !approved) return planRejected(draft, block)
  if (
    isComplete(draft, problems) &&
    (approved || input.autoImport || input.booking !== undefined || approval === 'imported')
  ) {
    return { booking: draft, approval: approval === null ? null : 'imported', block }
  }
  if (draft.status === 'cancelled') return planCancellation(input)
  return { booking: null, approval: problems.length > 0 ? 'pending' : 'mapped', block }
}

// A person's no stays; the channel still holds the reservation, so its nights stay blocked too until it is cancelled there.
function planRejected(draft: BookingDraft, block: ReservationPlan['block']): ReservationPlan {
  if (draft.status === 'cancelled') return { booking: null, approval: 'withdrawn', block: null }
  return { booking: null, approval: 'rejected', block }
}

// A cancellation needs nothing but itself: what it lacks is taken from the booking it ends.
function planCancellation({ draft, problems, booking, approval }: PlanInput): ReservationPlan {
  if (booking === undefined) return { booking: null, approval: 'withdrawn', block: null }
  const lacksAmount = problems.some(({ field }) => field === 'totalPrice' || field === 'currency')
  return {
    booking: {
      ...draft,
      ...(lacksAmount ? amountOf(booking) : {}),
      listingId: booking.listing_id,
      unitId: booking.unit_id,
      checkIn: booking.check_in,
      checkOut: booking.check_out,
      fields: { ...booking.fields, ...foundFields(draft) },
      status: 'cancelled',
      sourceStatus: draft.sourceStatus ?? 'cancelled',
    },
    approval: approval === null ? null : 'withdrawn',
    block: null,
  }
}

function foundFields({ fields }: BookingDraft): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))
}

function amountOf({ amount_total, amount_minor, currency }: BookingRow) {
  return { amountTotal: amount_total, amountMinor: amount_minor, currency }
}

function isComplete(draft: BookingDraft, problems: MappingProblem[]): draft is CompleteDraft {
  return (
    problems.length === 0 &&
    draft.listingId !== null &&
    draft.unitId !== null &&
    draft.status !== null &&
    draft.sourceStatus !== null
  )
}

/** The nights that a draft holds. A status that is not known blocks: selling nights twice costs more than holding them once too often. */
export function blockOf(draft: BookingDraft): Block | null | 'keep' {
  if (draft.status === 'cancelled' || draft.status === 'inquiry') return null
  const { listingId, checkIn, checkOut } = draft
  if (listingId === null) return 'keep'
  if (checkIn === null && checkOut === null) return draft.datesUnspecified ? null : 'keep'
  if (checkIn === null || checkOut === null || checkOut <= checkIn) return 'keep'
  return {
    listingId,
    unitId: draft.unitId,
    firstNight: checkIn,
    departure: checkOut,
    unitCount: draft.unitCount,
    confirmed: draft.status === 'confirmed',
  }
}

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
