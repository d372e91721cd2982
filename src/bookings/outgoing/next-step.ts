import { Big } from 'big.js'
import type { Reservation, ReservationFormat } from '../../channels/contract/reservation.ts'
import type { ReservationDraft, ReservationFields } from '../../channels/contract/reservation-draft.ts'
import type { BookingRow } from '../../platform/db/tables.ts'
import { draftOf, reservationOf } from '../apply/stored-reservation.ts'
import { knownExternalId } from '../booking-marker.ts'
import { type DesiredBooking, desiredBookingOf } from '../desired-booking.ts'

/** The next call of a booking's push; `sent` is cleared from the desired values once the channel has answered. */
export type NextStep =
  | { action: 'none' }
  | { action: 'create'; draft: ReservationDraft }
  | { action: 'change'; fields: ReservationFields; sent: DesiredBooking }
  | { action: 'cancel'; sent: DesiredBooking }

type FieldName = keyof ReservationFields

const fieldOf = {
  checkIn: 'arrivalDate',
  checkOut: 'departureDate',
  guestName: 'guestName',
  guestEmail: 'guestEmail',
  guestPhone: 'phone',
  guestsTotal: 'numberOfGuests',
  guestsAdults: 'adults',
  guestsChildren: 'children',
  guestsInfants: 'infants',
  guestsPets: 'pets',
  amountTotal: 'totalPrice',
  note: 'hostNote',
} as const satisfies Partial<Record<keyof DesiredBooking, FieldName>>

/** Compares what is desired with what the channel was last seen to hold. Pure. */
export function nextStep(format: ReservationFormat, booking: BookingRow): NextStep {
  if (knownExternalId(booking.external_id) === null) {
    const draft = draftOf(booking)
    if (draft === null) throw new Error('A booking made in TVL has no draft')
    return booking.status === 'cancelled'
      ? { action: 'none' }
      : { action: 'create', draft: withoutBlanks(draft) }
  }
  const reservation = reservationOf(format, booking)
  const desired = desiredBookingOf(booking)
  if (reservation.bookingStatus === 'cancelled') return { action: 'none' }
  if (desired.status === 'cancelled') return { action: 'cancel', sent: { status: 'cancelled' } }
  const fields = toFields(desired)
  const differing = namesOf(fields).filter((name) => !isSame(name, fields[name], reservation[name]))
  if (differing.length === 0) return { action: 'none' }
  return { action: 'change', fields: only(withBothDays(fields, reservation), differing), sent: desired }
}

/** The part of a desired value that the channel holds already. Pure. */
export function alreadyHeld(format: ReservationFormat, booking: BookingRow): DesiredBooking {
  const desired = desiredBookingOf(booking)
  if (knownExternalId(booking.external_id) === null) return {}
  const reservation = reservationOf(format, booking)
  if (reservation.bookingStatus === 'cancelled') return desired
  const fields = toFields(desired)
  const held = new Set<string>(
    namesOf(fields).filter((name) => isSame(name, fields[name], reservation[name])),
  )
  return Object.fromEntries(
    Object.entries(desired).filter(([name]) => {
      const field = fieldOf[(name === 'amountMinor' ? 'amountTotal' : name) as keyof typeof fieldOf]
      return field !== undefined && held.has(field)
    }),
  )
}

/** A desired value by the names that a reservation has. Pure. */
export function toFields(desired: DesiredBooking): ReservationFields {
  return Object.fromEntries(
    Object.entries(fieldOf).flatMap(([name, field]) => {
      const value = desired[name as keyof typeof fieldOf]
      return value === undefined ? [] : [[field, value]]
    }),
  )
}

// Blank fields are left out of a reservation that does not exist yet.
function withoutBlanks(draft: ReservationDraft): ReservationDraft {
  const named = Object.entries(draft.fields).filter(([, value]) => value != null)
  return { ...draft, fields: Object.fromEntries(named) }
}

// A day alone could come to lie behind the other one on its way.
function withBothDays(fields: ReservationFields, reservation: Reservation): ReservationFields {
  const { arrivalDate, departureDate } = { ...reservation, ...fields }
  return { ...fields, arrivalDate, departureDate }
}

function only(fields: ReservationFields, names: FieldName[]): ReservationFields {
  const days: FieldName[] = ['arrivalDate', 'departureDate']
  const wanted = new Set(names.some((name) => days.includes(name)) ? [...names, ...days] : names)
  return Object.fromEntries(Object.entries(fields).filter(([name]) => wanted.has(name as FieldName)))
}

function namesOf(fields: ReservationFields): FieldName[] {
  return Object.keys(fields) as FieldName[]
}

function isSame(name: FieldName, desired: unknown, held: unknown): boolean {
  if (name === 'totalPrice' && typeof desired === 'string' && typeof held === 'string') {
    return new Big(desired).eq(held)
  }
  return (desired ?? null) === (held ?? null)
}
