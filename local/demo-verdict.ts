import type { Reservation } from '../sandbox/reservation-factory.ts'
import type { BookingView } from '../src/bookings/booking-view.ts'
import type { WaitingReservation } from './connector-client.ts'

/** What Hostaway holds, and what the connector made of it once nothing was under way any more. */
export type Facts = {
  reservations: Reservation[]
  /** The announced status of a reservation, where it differs from the one it has. */
  announcedAs: ReadonlyMap<number, string>
  bookings: BookingView[]
  waiting: WaitingReservation[]
  deadLetters: Array<{ kind: string; message: string }>
  unfinishedWebhooks: number
}

// Written from Hostaway's documentation, because the connector's own table is under test.
const bookingStatuses: Record<string, BookingView['status'] | undefined> = {
  new: 'confirmed',
  modified: 'confirmed',
  ownerStay: 'confirmed',
  awaitingPayment: 'confirmed',
  awaitingGuestVerification: 'confirmed',
  pending: 'pending',
  unconfirmed: 'pending',
  cancelled: 'cancelled',
  declined: 'cancelled',
  expired: 'cancelled',
  inquiry: 'inquiry',
  inquiryPreapproved: 'inquiry',
  inquiryDenied: 'inquiry',
  inquiryTimedout: 'inquiry',
  inquiryNotPossible: 'inquiry',
  unknown: 'inquiry',
}

/** Compares every booking with the reservation it stands for. One sentence for each difference; none = converged. */
export function findDifferences(facts: Facts): string[] {
  const bookings = Map.groupBy(facts.bookings, ({ externalId }) => externalId)
  const waiting = new Set(facts.waiting.map(({ externalId }) => externalId))
  const known = new Set(facts.reservations.map(({ id }) => String(id)))
  return [
    ...facts.reservations.flatMap((reservation) => {
      const externalId = String(reservation.id)
      const status = facts.announcedAs.get(reservation.id) ?? reservation.status
      return compare(reservation, status, bookings.get(externalId) ?? [], waiting.has(externalId)).map(
        (difference) => `reservation ${externalId}: ${difference}`,
      )
    }),
    ...facts.bookings
      .filter(({ externalId }) => externalId === null || !known.has(externalId))
      .map(({ externalId }) => `booking of reservation ${externalId}: Hostaway has no such reservation`),
    ...facts.waiting
      .filter(({ externalId }) => !known.has(externalId))
      .map(({ externalId }) => `waiting reservation ${externalId}: Hostaway has no such reservation`),
    ...facts.deadLetters.map(({ kind, message }) => `a dead letter is open (${kind}): ${message}`),
    ...(facts.unfinishedWebhooks === 0
      ? []
      : [`${facts.unfinishedWebhooks} webhooks did not come to an end`]),
  ]
}

function compare(
  reservation: Reservation,
  sourceStatus: string,
  bookings: BookingView[],
  isWaiting: boolean,
): string[] {
  const status = bookingStatuses[sourceStatus]
  const [booking] = bookings
  if (bookings.length > 1) return [`there are ${bookings.length} bookings of it`]
  if (status === undefined) {
    return isWaiting ? [] : [`its status "${sourceStatus}" is not known, and it does not wait for a person`]
  }
  if (isWaiting) return ['it waits for a person although nothing is missing']
  if (booking === undefined) return ['there is no booking of it']
  const { arrivalDate, departureDate, listingMapId, currency, totalPrice } = reservation
  const pairs: Array<[what: string, here: unknown, atHostaway: unknown]> = [
    ['status', booking.status, status],
    ['source status', booking.sourceStatus, sourceStatus],
    ['check-in', booking.checkIn, arrivalDate],
    ['check-out', booking.checkOut, departureDate],
    ['listing', booking.listingId, String(listingMapId)],
    ['unit', booking.unitId, `hostaway-${listingMapId}`],
    ['currency', booking.amount.currency, currency],
    ['amount', booking.amount.total, totalPrice === null ? null : decimals(totalPrice, currency)],
    ['minor units', booking.amount.minor, totalPrice === null ? null : minorUnits(totalPrice, currency)],
    ['guest', booking.guest.name, reservation.guestName],
    ['e-mail', booking.guest.email, reservation.guestEmail],
    ['phone', booking.guest.phone, reservation.phone],
    ['number of guests', booking.guests.total, reservation.numberOfGuests],
    ['adults', booking.guests.adults, reservation.adults],
    ['children', booking.guests.children, reservation.children],
    ...mappedPairs(reservation, booking),
  ]
  return pairs
    .filter(([, here, atHostaway]) => here !== atHostaway)
    .map(([what, here, atHostaway]) => `${what} is ${say(here)}, Hostaway has ${say(atHostaway)}`)
}

// Fields that the demo's mapping adds; a booking from before it was saved has none.
function mappedPairs(
  { guestName, totalPrice, currency }: Reservation,
  { fields, mappingVersion }: BookingView,
): Array<[what: string, here: unknown, atHostaway: unknown]> {
  if (mappingVersion === 0) return []
  const commission = fields.commission as { minor: number } | null
  // Fifteen hundredths, rounded half up without ever leaving the integers.
  const expected = totalPrice === null ? null : Math.floor((minorUnits(totalPrice, currency) * 15 + 50) / 100)
  return [
    ['mapped name', fields.client_name, guestName],
    ['commission', commission?.minor ?? null, expected],
  ]
}

function decimals(amount: number, currency: string): string {
  return amount.toFixed(digitsOf(currency))
}

function minorUnits(amount: number, currency: string): number {
  return Number(decimals(amount, currency).replace('.', ''))
}

function digitsOf(currency: string): number {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency })
  return format.resolvedOptions().maximumFractionDigits ?? 2
}

function say(value: unknown): string {
  return value === null || value === undefined ? 'empty' : JSON.stringify(value)
}
