import { sandboxAccount } from './test-system.ts'

export type Fields = Record<string, unknown>

let lastId = 7_000_000

/** An id that no other reservation of this test process has. */
export function newReservationId(): number {
  lastId += 1
  return lastId
}

/** A reservation as a webhook carries it, reduced to what matters; `undefined` leaves a field out. */
export function reservationBody(fields: Fields = {}): Fields & { id: number } {
  const body: Fields & { id: number } = {
    id: newReservationId(),
    listingMapId: 400001,
    channelName: 'airbnbOfficial',
    status: 'new',
    arrivalDate: '2027-05-03',
    departureDate: '2027-05-07',
    isDatesUnspecified: 0,
    guestName: 'Ada Example',
    guestEmail: 'ada@example.com',
    phone: '+49 30 000000',
    numberOfGuests: 3,
    adults: 2,
    children: 1,
    infants: 0,
    pets: null,
    totalPrice: 412.5,
    currency: 'EUR',
    confirmationCode: 'HMEXAMPLE',
    reservationUnit: [],
    customFieldValues: [],
    updatedOn: '2027-01-10 09:00:00',
    ...fields,
  }
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as typeof body
}

/** What Hostaway wraps around a body. */
export function announcementOf(data: Fields, event = 'reservation.updated'): Fields {
  return { object: 'reservation', event, accountId: sandboxAccount.accountId, data }
}

/** `updatedOn` of the n-th version of a reservation. */
export function versionAt(number: number): string {
  return new Date(Date.UTC(2027, 0, 10, 9, 0, number)).toISOString().slice(0, 19).replace('T', ' ')
}
