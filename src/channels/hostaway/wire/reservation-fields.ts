import type { Reservation } from '../../contract/reservation.ts'
import type { ReservationDraft, ReservationFields } from '../../contract/reservation-draft.ts'
import { reservationFormat } from './reservation.ts'
import { meaningOfStatus } from './reservation-status.ts'

/** The channel of what is booked with the host directly. */
export const directChannelId = '2000'

const directChannelName = 'direct'
const statusOfNew = 'new'
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

/** The reservation that Hostaway is going to make of a draft; no body of it exists yet, and its id is the marker. */
export function expectedReservation({ listingId, marker, currency, fields }: ReservationDraft): Reservation {
  return {
    id: marker,
    listingId,
    marker,
    status: statusOfNew,
    bookingStatus: meaningOfStatus(statusOfNew),
    datesUnspecified: false,
    arrivalDate: undefined,
    departureDate: undefined,
    guestName: undefined,
    guestEmail: undefined,
    phone: undefined,
    numberOfGuests: undefined,
    adults: undefined,
    children: undefined,
    infants: undefined,
    pets: undefined,
    totalPrice: undefined,
    hostNote: undefined,
    ...fields,
    currency,
    channelName: directChannelName,
    channelId: directChannelId,
    confirmationCode: undefined,
    unitCount: 1,
    units: undefined,
    updatedOn: undefined,
    insertedOn: undefined,
    customFieldValues: undefined,
    financeFields: undefined,
    isComplete: false,
    problems: [],
    source: {},
    format: reservationFormat,
  }
}

/** What Hostaway is going to make of a new reservation, in the shape of its own bodies; `id` stands in for its id. */
export function expectedBody(
  id: string,
  { listingId, marker, currency, fields }: ReservationDraft,
): Record<string, unknown> {
  return {
    id,
    listingMapId: listingId,
    channelId: directChannelId,
    channelName: directChannelName,
    customerUserId: marker,
    status: 'new',
    isDatesUnspecified: 0,
    currency,
    ...fields,
  }
}
