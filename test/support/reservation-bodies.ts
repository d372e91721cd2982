export type Fields = Record<string, unknown>

let lastId = 7_000_000

/** An id that no other reservation of this test process has. */
export function newReservationId(): number {
  lastId += 1
  return lastId
}

/** A reservation as Hostaway would send it, always the same one, with every kind of field; `changes` replace fields, and `undefined` leaves one out. */
export function reservationBody(changes: Fields = {}): Fields {
  return withoutUndefined({
    id: 700_001,
    listingMapId: 8_001,
    channelId: 2018,
    channelName: 'airbnbOfficial',
    hostawayReservationId: '700001',
    reservationId: '8001-thread-42',
    guestName: 'Ines Ferreira',
    guestEmail: 'ines@guest.example',
    phone: '+351900000001',
    numberOfGuests: 3,
    adults: 2,
    children: 1,
    infants: null,
    pets: 0,
    arrivalDate: '2027-03-27',
    departureDate: '2027-03-30',
    isDatesUnspecified: 0,
    totalPrice: 412.5,
    currency: 'EUR',
    status: 'new',
    confirmationCode: 'HMTEST42',
    doorCode: null,
    ccNumber: null,
    ccName: null,
    cvc: null,
    hostProxyEmail: null,
    remainingBalance: null,
    bookingcomBookerName: null,
    customFieldValues: [{ id: 1, customFieldId: 55, value: 'late arrival' }],
    reservationFees: [],
    reservationUnit: [],
    financeField: [
      { id: 11, name: 'baseRate', total: 380, updatedOn: '2026-01-02 10:00:00' },
      { id: 12, name: 'cleaningFee', total: 32.5, updatedOn: '2026-01-02 10:00:00' },
    ],
    insertedOn: '2026-01-02 10:00:00',
    updatedOn: '2026-01-03 11:22:33',
    latestActivityOn: '2026-01-03 11:22:33',
    ...changes,
  })
}

/** A reservation that is new at the first listing of the sandbox: `reservationBody` with an id and days of its own. */
export function newReservation(changes: Fields = {}): Fields & { id: number } {
  const body: Fields = reservationBody({
    id: newReservationId(),
    hostawayReservationId: undefined,
    reservationId: undefined,
    listingMapId: 400_001,
    arrivalDate: '2027-05-03',
    departureDate: '2027-05-07',
    insertedOn: undefined,
    latestActivityOn: undefined,
    updatedOn: versionAt(0),
    ...changes,
  })
  return body as Fields & { id: number }
}

/** `updatedOn` of the n-th version of a reservation. */
export function versionAt(number: number): string {
  return new Date(Date.UTC(2026, 0, 10, 9, 0, number)).toISOString().slice(0, 19).replace('T', ' ')
}

function withoutUndefined(body: Fields): Fields {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined))
}
