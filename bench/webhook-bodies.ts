/** A webhook body of a known size, cut where its ids go so that each copy can be a reservation of its own. */
export type BodyKind = { name: string; create(reservation: number): string }

export const accountId = '20001'
export const listingCount = 200
export const firstListing = 60_000

const firstDay = Date.UTC(2027, 0, 1)
const dayMs = 86_400_000
const nights = 3

/** The two sizes that reach the ingress: what a small account sends, and a body with everything in it. */
export const bodyKinds: readonly BodyKind[] = [
  { name: '2 kB', create: (reservation) => JSON.stringify(envelope(shortReservation(reservation))) },
  { name: '6 kB', create: (reservation) => JSON.stringify(envelope(fullReservation(reservation))) },
]

function envelope(data: Record<string, unknown>) {
  return { object: 'reservation', event: 'reservation.created', accountId: Number(accountId), data }
}

// One stay after the other on each listing: benchmarks measure bookings, not overbookings.
function stayOf(reservation: number) {
  const day = (offset: number) => new Date(firstDay + offset * dayMs).toISOString().slice(0, 10)
  const start = Math.floor(reservation / listingCount) * nights
  return {
    listingMapId: firstListing + (reservation % listingCount),
    arrivalDate: day(start),
    departureDate: day(start + nights),
  }
}

function shortReservation(reservation: number): Record<string, unknown> {
  return {
    id: reservation,
    ...stayOf(reservation),
    listingName: 'Harbour loft with a view of the ferry',
    channelId: 2018,
    channelName: 'airbnbOfficial',
    source: null,
    reservationId: `60000-thread-bench-${reservation}`,
    hostawayReservationId: String(reservation),
    channelReservationId: `60000-thread-bench-${reservation}`,
    guestName: 'Marta Lindqvist',
    guestFirstName: 'Marta',
    guestLastName: 'Lindqvist',
    guestEmail: `guest-${reservation}@relay.example`,
    guestCity: 'Lund',
    guestCountry: 'SE',
    phone: '+46700000000',
    numberOfGuests: 3,
    adults: 2,
    children: 1,
    infants: 0,
    pets: null,
    isDatesUnspecified: 0,
    nights,
    checkInTime: 15,
    checkOutTime: 11,
    totalPrice: 463.5,
    remainingBalance: null,
    taxAmount: 0,
    cleaningFee: 35,
    currency: 'EUR',
    status: 'new',
    paymentStatus: 'paid',
    confirmationCode: `HB${reservation}`,
    cancellationDate: null,
    hostNote: null,
    guestNote: 'We arrive with the late ferry, so please leave the key in the box beside the door.',
    doorCode: null,
    comment: null,
    ccName: null,
    ccNumber: null,
    ccExpirationYear: null,
    ccExpirationMonth: null,
    cvc: null,
    isStarred: 0,
    isArchived: 0,
    customFieldValues: [],
    reservationFees: [],
    reservationUnit: [],
    financeField: [financeRow(reservation, 1, 'baseRate', 428.5)],
    insertedOn: '2026-11-01 09:00:00',
    updatedOn: '2026-11-01 09:00:05',
    latestActivityOn: '2026-11-01 09:00:05',
  }
}

// Hostaway names every field it has, most of them empty.
const emptyFields = [
  ...['externalUnitId', 'assigneeUserId', 'customerIcalId', 'customerIcalName', 'guestPortalRevampUrl'],
  ...['guestZipCode', 'guestAddress', 'guestPicture', 'guestWork', 'originalChannel', 'previousArrivalDate'],
  ...['previousDepartureDate', 'channelCommissionAmount', 'hostawayCommissionAmount', 'securityDepositFee'],
  ...['isPaid', 'ccNumberEndingDigits', 'stripeGuestId', 'stripeMessage', 'braintreeGuestId'],
  ...['braintreeMessage', 'cancelledBy', 'doorCodeVendor', 'doorCodeInstruction', 'airbnbListingBasePrice'],
  ...['airbnbExpectedPayoutAmount', 'airbnbListingCancellationHostFee', 'airbnbListingCancellationPayout'],
  ...['airbnbListingCleaningFee', 'airbnbListingHostFee', 'airbnbListingSecurityPrice'],
  ...['airbnbOccupancyTaxAmountPaidToHost', 'airbnbTotalPaidAmount', 'airbnbCancellationPolicy'],
  ...['bookingCancellationPolicy', 'vrboCancellationPolicy', 'cancellationPolicyDetails'],
  ...['reservationCouponId', 'customerUserId', 'guestLocale', 'localeForMessaging'],
  ...['localeForMessagingSource', 'rentalAgreementFileUrl', 'guestPaymentCardIsVirtual'],
  ...['insurancePolicyId', 'insuranceCoverageStart', 'insuranceCoverageEnd', 'bookingcomSpecialRequests'],
  ...['bookingcomSmokingPreference', 'bookingcomIsGeniusMember', 'bookingcomBookerName', 'hostProxyEmail'],
]
const unsetFlags = [
  ...['isInitial', 'isManuallyChecked', 'isInstantBooked', 'guestRecommendations', 'guestTrips'],
  ...['isGuestIdentityVerified', 'isGuestVerifiedByEmail', 'isGuestVerifiedByPhone', 'isPinned'],
]

function fullReservation(reservation: number): Record<string, unknown> {
  return {
    ...shortReservation(reservation),
    ...Object.fromEntries(emptyFields.map((name) => [name, null])),
    ...Object.fromEntries(unsetFlags.map((name) => [name, 0])),
    guestPortalUrl: `https://portal.guest.example/${reservation}/MLNDQVST`,
    reservationDate: '2026-11-01 09:00:00',
    pendingExpireDate: '2026-11-02 09:00:00',
    reservationAgreement: 'not_required',
    insuranceStatus: 'not_eligible',
    claimStatus: null,
    cancellationPolicyId: 4711,
    cancellationPolicy: 'firm',
    listingCustomFields: [],
    financeField: [
      financeRow(reservation, 1, 'baseRate', 428.5),
      financeRow(reservation, 2, 'cleaningFee', 35),
      financeRow(reservation, 3, 'totalPriceFromChannel', 463.5),
    ],
  }
}

function financeRow(reservation: number, id: number, name: string, total: number) {
  return {
    id,
    accountId: Number(accountId),
    listingMapId: stayOf(reservation).listingMapId,
    reservationId: reservation,
    channelId: 2018,
    units: 1,
    isAddedByUser: 0,
    guestInvoiceChargeId: null,
    listingFeeSettingId: null,
    type: 'accommodation',
    name,
    title: name,
    alias: null,
    appliedPer: 'reservation',
    applyTo: null,
    amount: total,
    amountType: 'flat',
    quantity: null,
    value: total,
    previousValue: null,
    jsonValue: total,
    isIncludedInTotalPrice: 1,
    isOverriddenByUser: 0,
    isMandatory: 1,
    isQuantitySelectable: 0,
    appearsIn: [],
    displayInRent: 0,
    lengthOfStayNights: null,
    lengthOfStayAmount: null,
    isUnique: 1,
    isDeleted: 0,
    insertedOn: '2026-11-01 09:00:00',
    updatedOn: '2026-11-01 09:00:00',
    previousListingFeeSettingId: null,
    ageCondition: null,
    total,
  }
}
