/** What a reservation's status means for a booking. `unknown` = a status that is not in the table: a person decides. */
export type ReservationMeaning = 'confirmed' | 'pending' | 'cancelled' | 'inquiry' | 'unknown'

const meanings = new Map<string, ReservationMeaning>([
  ['new', 'confirmed'],
  ['modified', 'confirmed'],
  ['ownerstay', 'confirmed'],
  ['awaitingpayment', 'confirmed'],
  ['awaitingguestverification', 'confirmed'],
  // Retired by Hostaway in 2020, still the first word everybody tries.
  ['confirmed', 'confirmed'],
  ['pending', 'pending'],
  ['unconfirmed', 'pending'],
  ['cancelled', 'cancelled'],
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
  return meanings.get(status?.toLowerCase() ?? '') ?? 'unknown'
}
