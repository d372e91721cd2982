import type { Reservation } from '../../contract/reservation.ts'
import type { ReservationDraft, ReservationFields } from '../../contract/reservation-draft.ts'

/** The channel of what is booked with the host directly. */
export const directChannelId = '2000'

// Whether a travel agency follows a change made at Hostaway is not documented; some reservations answer 403 to it.
const channelsOfTheHost = new Set([directChannelId, '2013', '2017', '2020'])

/** Whether the host may change a reservation through Hostaway; one of a travel agency's is changed there. */
export function isHostsToChange(reservation: Reservation): boolean {
  return typeof reservation.channelId === 'string' && channelsOfTheHost.has(reservation.channelId)
}

export function toWireFields({ totalPrice, ...fields }: ReservationFields): Record<string, unknown> {
  return { ...fields, ...(totalPrice == null ? {} : { totalPrice: Number(totalPrice) }) }
}

export function toWireReservation({ listingId, marker, currency, fields }: ReservationDraft) {
  return {
    channelId: Number(directChannelId),
    listingMapId: Number(listingId),
    ...(currency === null ? {} : { currency }),
    customerUserId: marker,
    ...toWireFields(fields),
  }
}
