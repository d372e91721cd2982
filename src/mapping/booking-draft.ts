import type { BookingStatus } from '../db/tables.ts'
import type { Reservation } from '../hostaway/wire/reservation.ts'
import { toMoney } from './money.ts'

/** Something that keeps a reservation from becoming a booking, said so that a person can mend it. */
export type MappingProblem = { field: string; code: string; message: string }

/** A booking as far as the reservation says; complete exactly when there are no problems. */
export type BookingDraft = {
  listingId: string | null
  unitId: string | null
  status: BookingStatus | null
  sourceStatus: string | null
  checkIn: string | null
  checkOut: string | null
  datesUnspecified: boolean
  unitCount: number
  guestName: string | null
  guestEmail: string | null
  guestPhone: string | null
  guestsTotal: number | null
  guestsAdults: number | null
  guestsChildren: number | null
  guestsInfants: number | null
  guestsPets: number | null
  amountTotal: string | null
  amountMinor: string | null
  currency: string | null
  channelName: string | null
  confirmationCode: string | null
  fields: Record<string, unknown>
}

export type MappedListing = { unitId: string | null; currency: string | null }

// A wrong value in one of these would make a wrong booking; in any other it is left empty.
const decisiveFields = new Set([
  'listingMapId',
  'listingId',
  'status',
  'arrivalDate',
  'checkIn',
  'departureDate',
  'checkOut',
  'totalPrice',
  'currency',
])

/** Maps a reservation by the default rules. Pure; `listing` is undefined where the connector does not know it. */
export function draftBooking(
  reservation: Reservation,
  listing: MappedListing | undefined,
): { draft: BookingDraft; problems: MappingProblem[] } {
  const problems: MappingProblem[] = reservation.problems
    .filter(({ field }) => decisiveFields.has(field))
    .map(({ field, code, message }) => ({ field, code, message: `${field} ${message}` }))
  const missing = (field: string, code: string, message: string) => {
    if (!problems.some((problem) => problem.field === field)) problems.push({ field, code, message })
  }

  const status = reservation.bookingStatus === 'unknown' ? null : reservation.bookingStatus
  if (reservation.status === undefined) missing('status', 'missing', 'status is missing')
  else if (status === null) missing('status', 'unknown_status', `status "${reservation.status}" is not known`)

  if (reservation.listingId === undefined) missing('listingMapId', 'missing', 'listingMapId is missing')
  else if (listing === undefined)
    missing('listingMapId', 'unknown_listing', `listing ${reservation.listingId} is not known`)
  else if (listing.unitId === null) {
    missing('listingMapId', 'unmapped_listing', `listing ${reservation.listingId} is not mapped to a unit`)
  }

  const checkIn = reservation.arrivalDate ?? null
  const checkOut = reservation.departureDate ?? null
  if (!reservation.datesUnspecified) {
    if (checkIn === null) missing('arrivalDate', 'missing', 'arrivalDate is missing')
    if (checkOut === null) missing('departureDate', 'missing', 'departureDate is missing')
    if (checkIn !== null && checkOut !== null && checkOut <= checkIn) {
      missing(
        'departureDate',
        'not_after_arrival',
        `departureDate ${checkOut} is not after arrivalDate ${checkIn}`,
      )
    }
  }

  const amount = mapAmount(reservation, listing, missing)
  return {
    problems,
    draft: {
      listingId: reservation.listingId ?? null,
      unitId: listing?.unitId ?? null,
      status,
      sourceStatus: reservation.status ?? null,
      checkIn,
      checkOut,
      datesUnspecified: reservation.datesUnspecified,
      unitCount: reservation.unitCount,
      guestName: reservation.guestName ?? null,
      guestEmail: reservation.guestEmail ?? null,
      guestPhone: reservation.phone ?? null,
      guestsTotal: reservation.numberOfGuests ?? null,
      guestsAdults: reservation.adults ?? null,
      guestsChildren: reservation.children ?? null,
      guestsInfants: reservation.infants ?? null,
      guestsPets: reservation.pets ?? null,
      ...amount,
      channelName: reservation.channelName ?? null,
      confirmationCode: reservation.confirmationCode ?? null,
      fields: {},
    },
  }
}

// A body without a currency is in the listing's; without either the amount stays as sent, in no currency.
function mapAmount(
  reservation: Reservation,
  listing: MappedListing | undefined,
  problem: (field: string, code: string, message: string) => void,
): Pick<BookingDraft, 'amountTotal' | 'amountMinor' | 'currency'> {
  const currency = reservation.currency ?? listing?.currency ?? null
  const total = reservation.totalPrice ?? null
  if (total === null || currency === null) return { amountTotal: total, amountMinor: null, currency }
  const money = toMoney(total, currency)
  if (money === undefined) {
    problem('totalPrice', 'not_an_amount', `totalPrice ${total} is not an amount in ${currency}`)
    return { amountTotal: total, amountMinor: null, currency }
  }
  return { amountTotal: money.total, amountMinor: money.minor, currency }
}
