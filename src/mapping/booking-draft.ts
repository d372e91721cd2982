import type { Reservation } from '../channels/contract/reservation.ts'
import type { BookingStatus } from '../platform/db/tables.ts'
import type { BookingTarget } from './mapping-spec.ts'
import { toMoney } from './money.ts'

/** A reason why a reservation cannot become a booking, in words that a manager can act on. */
export type MappingProblem = { field: string; code: string; message: string }

/** The booking a reservation maps to; complete exactly when `problems` is empty. */
export type BookingDraft = BookingColumns & {
  listingId: string | null
  unitId: string | null
  status: BookingStatus | null
  sourceStatus: string | null
  checkIn: string | null
  checkOut: string | null
  datesUnspecified: boolean
  unitCount: number
  amountMinor: string | null
  fields: Record<string, unknown>
  /** The version of the connection's mapping that made this; 0 is the default one. */
  mappingVersion: number
  /** Optional fields that could not be mapped; each is empty or has its default. */
  warnings: MappingProblem[]
}

/** The columns that a mapping may fill from elsewhere. */
export type BookingColumns = {
  guestName: string | null
  guestEmail: string | null
  guestPhone: string | null
  guestsTotal: number | null
  guestsAdults: number | null
  guestsChildren: number | null
  guestsInfants: number | null
  guestsPets: number | null
  amountTotal: string | null
  currency: string | null
  channelName: string | null
  confirmationCode: string | null
}

/** A listing as mapping sees it; the rate is a decimal number as text, 0.15 for 15 %. */
export type MappedListing = {
  listingId: string
  unitId: string | null
  name: string
  currency: string | null
  commissionRate: string | null
}

// A wrong value in one of these makes a wrong booking, so it is a problem; any other field is left empty.
const decisiveParts = [
  'listingId',
  'status',
  'arrivalDate',
  'departureDate',
  'totalPrice',
  'currency',
] as const

/** The columns as the default rules fill them. */
export function columnsOf(reservation: Reservation): BookingColumns {
  return {
    guestName: reservation.guestName ?? null,
    guestEmail: reservation.guestEmail ?? null,
    guestPhone: reservation.phone ?? null,
    guestsTotal: reservation.numberOfGuests ?? null,
    guestsAdults: reservation.adults ?? null,
    guestsChildren: reservation.children ?? null,
    guestsInfants: reservation.infants ?? null,
    guestsPets: reservation.pets ?? null,
    amountTotal: reservation.totalPrice ?? null,
    currency: reservation.currency ?? null,
    channelName: reservation.channelName ?? null,
    confirmationCode: reservation.confirmationCode ?? null,
  }
}

type FilledColumns = { columns: BookingColumns; replaced: ReadonlySet<BookingTarget> }

/**
 * Maps a reservation by the default rules, or with columns that a mapping has filled; `replaced` names those that do
 * not come from their usual field. Pure; `listing` is undefined where the connector does not know it.
 */
export function draftBooking(
  reservation: Reservation,
  listing: MappedListing | undefined,
  { columns, replaced }: FilledColumns = { columns: columnsOf(reservation), replaced: new Set() },
): { draft: BookingDraft; problems: MappingProblem[] } {
  const { names, fieldOf } = reservation.format
  const decisive = new Set<string>(decisiveParts.map((part) => names[part]))
  const problems: MappingProblem[] = reservation.problems
    .filter(({ field }) => decisive.has(fieldOf(field)))
    .filter(({ field }) => !(field === names.totalPrice && replaced.has('amountTotal')))
    .filter(({ field }) => !(field === names.currency && replaced.has('currency')))
    .map(({ field, code, message }) => ({ field, code, message: `${field} ${message}` }))
  const missing = (field: string, code: string, message: string) => {
    if (!problems.some((problem) => problem.field === field)) problems.push({ field, code, message })
  }

  const status = reservation.bookingStatus === 'unknown' ? null : reservation.bookingStatus
  if (reservation.status === undefined) missing(names.status, 'missing', `${names.status} is missing`)
  else if (status === null)
    missing(names.status, 'unknown_status', `${names.status} "${reservation.status}" is not known`)

  const { listingId } = reservation
  if (listingId === undefined) missing(names.listingId, 'missing', `${names.listingId} is missing`)
  else if (listing === undefined)
    missing(names.listingId, 'unknown_listing', `listing ${listingId} is not known`)
  else if (listing.unitId === null) {
    missing(names.listingId, 'unmapped_listing', `listing ${listingId} is not mapped to a unit`)
  }

  const checkIn = reservation.arrivalDate ?? null
  const checkOut = reservation.departureDate ?? null
  if (!reservation.datesUnspecified) {
    const { arrivalDate, departureDate } = names
    if (checkIn === null) missing(arrivalDate, 'missing', `${arrivalDate} is missing`)
    if (checkOut === null) missing(departureDate, 'missing', `${departureDate} is missing`)
    if (checkIn !== null && checkOut !== null && checkOut <= checkIn) {
      missing(
        departureDate,
        'not_after_arrival',
        `${departureDate} ${checkOut} is not after ${arrivalDate} ${checkIn}`,
      )
    }
  }

  const amount = mapAmount(columns, listing, (code, message) =>
    missing(names.totalPrice, code, `${names.totalPrice} ${message}`),
  )
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
      ...columns,
      ...amount,
      fields: {},
      mappingVersion: 0,
      warnings: [],
    },
  }
}

// A body without a currency is in the listing's; without either the amount stays as sent, in no currency.
function mapAmount(
  columns: BookingColumns,
  listing: MappedListing | undefined,
  problem: (code: string, message: string) => void,
): Pick<BookingDraft, 'amountTotal' | 'amountMinor' | 'currency'> {
  const currency = columns.currency ?? listing?.currency ?? null
  const total = columns.amountTotal
  if (total === null || currency === null) return { amountTotal: total, amountMinor: null, currency }
  const money = toMoney(total, currency)
  if (money === undefined) {
    problem('not_an_amount', `${total} is not an amount in ${currency}, or too large`)
    return { amountTotal: total, amountMinor: null, currency }
  }
  return { amountTotal: money.total, amountMinor: money.minor, currency }
}
