/** Hostaway's channel numbers with the names it gives them. */
export const channelNames: Record<number, string> = {
  2000: 'direct',
  2002: 'homeaway',
  2005: 'bookingcom',
  2007: 'expedia',
  2009: 'homeawayical',
  2010: 'vrboical',
  2013: 'bookingengine',
  2015: 'customIcal',
  2016: 'tripadvisorical',
  2017: 'wordpress',
  2018: 'airbnbOfficial',
  2019: 'marriott',
  2020: 'partner',
  2021: 'gds',
  2022: 'google',
}

export const airbnbChannel = 2018
export const bookingcomChannel = 2005
export const directChannel = 2000

/** The channels on which the API lets a reservation be created. */
export const channelsOpenToApi: readonly number[] = [2000, 2002, 2020]

const reservedStatuses = ['new', 'modified', 'ownerStay', 'awaitingPayment', 'awaitingGuestVerification']
const pendingStatuses = ['pending', 'unconfirmed']
const otherStatuses = [
  'cancelled',
  'declined',
  'expired',
  'inquiry',
  'inquiryPreapproved',
  'inquiryDenied',
  'inquiryTimedout',
  'inquiryNotPossible',
  'unknown',
]

export const knownStatuses: readonly string[] = [...reservedStatuses, ...pendingStatuses, ...otherStatuses]

/** What a reservation of this status does to its nights. */
export function holdOf(status: string): 'reserved' | 'pending' | 'none' {
  if (reservedStatuses.includes(status)) return 'reserved'
  return pendingStatuses.includes(status) ? 'pending' : 'none'
}

/** The reference the channel uses; each kind of channel writes it in a way of its own. */
export function channelReference(
  channelId: number,
  accountId: number,
  listingId: number,
  digits: string,
): string {
  if (channelId === airbnbChannel) return `${listingId}-thread${digits}-${Number(digits) % 9_973}`
  if (channelId === bookingcomChannel) return digits
  return `${accountId}-${listingId}-${channelId}-${digits}`
}
