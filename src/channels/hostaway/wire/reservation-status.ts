import type { ReservationMeaning } from '../../contract/reservation.ts'

const meanings = new Map<string, ReservationMeaning>([
  ['new', 'confirmed'],
  ['modified', 'confirmed'],
  ['ownerstay', 'confirmed'],
  ['awaitingpayment', 'confirmed'],
  ['awaitingguestverification', 'confirmed'],
  // Retired by Hostaway in 2020, still in common use.
  ['confirmed', 'confirmed'],
  ['pending', 'pending'],
  ['unconfirmed', 'pending'],
  ['cancelled', 'cancelled'],
  ['canceled', 'cancelled'],
  ['declined', 'cancelled'],
  ['expired', 'cancelled'],
  ['inquiry', 'inquiry'],
  ['inquirypreapproved', 'inquiry'],
  ['inquirydenied', 'inquiry'],
  ['inquirytimedout', 'inquiry'],
  ['inquirynotpossible', 'inquiry'],
  // Hostaway's own status called "unknown", an outcome of an Airbnb inquiry.
  ['unknown', 'inquiry'],
])

/** The meaning of a status as Hostaway spells it. */
export function meaningOfStatus(status: string | null | undefined): ReservationMeaning {
  return meanings.get(status?.toLowerCase().replaceAll(/[\s_-]/g, '') ?? '') ?? 'unknown'
}
