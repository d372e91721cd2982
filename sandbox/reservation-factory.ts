import { airbnbChannel, bookingcomChannel, channelNames, channelReference } from './booking-channels.ts'
import { createFinanceRows } from './finance-rows.ts'
import type { Identifiers } from './identifiers.ts'
import type { JsonObject } from './json-text.ts'
import type { Listing } from './listing-factory.ts'
import { makeUpGuest } from './made-up-guests.ts'
import { roundAmount } from './money-amounts.ts'
import { daysBetween } from './plain-days.ts'
import type { SeededRandom } from './seeded-random.ts'

export type Reservation = JsonObject & {
  id: number
  listingMapId: number
  channelId: number
  status: string
  arrivalDate: string
  departureDate: string
  nights: number
  totalPrice: number | null
  currency: string
  insertedOn: string
  updatedOn: string
  latestActivityOn: string
  financeField: JsonObject[]
  customFieldValues: JsonObject[]
  reservationFees: JsonObject[]
  reservationUnit: JsonObject[]
}

export type StoredReservation = {
  body: Reservation
  /** Until then the calendar still shows the nights as they were. */
  shownFromMs: number
}

export type Stay = { arrivalDate: string; departureDate: string }

const cleaningFeeShare = 0.3

/** Numbers that payment providers publish for tests; they belong to no account. */
export const testCard = {
  ccName: 'Test Cardholder',
  ccNumber: '4111111111111111',
  ccNumberEndingDigits: '1111',
  ccExpirationYear: '2031',
  ccExpirationMonth: '12',
  cvc: '123',
} as const

export function priceOfStay(listing: Listing, stay: Stay): { totalPrice: number; cleaningFee: number } {
  const cleaningFee = roundAmount(listing.price * cleaningFeeShare, listing.currencyCode)
  const nights = daysBetween(stay.arrivalDate, stay.departureDate)
  return { totalPrice: roundAmount(listing.price * nights + cleaningFee, listing.currencyCode), cleaningFee }
}

/** A complete reservation in the shape and key order of a real delivery. */
export function createReservation(
  identifiers: Identifiers,
  random: SeededRandom,
  booking: { accountId: number; listing: Listing; stay: Stay; channelId: number; now: string },
): Reservation {
  const { accountId, listing, stay, channelId, now } = booking
  const id = identifiers.next('reservation')
  const guest = makeUpGuest(random)
  const reference = channelReference(
    channelId,
    accountId,
    listing.id,
    String(random.integer(100_000_000, 999_999_999)),
  )
  const accessHash = random.integer(10_000_000, 99_999_999).toString(36).toUpperCase()
  const adults = random.integer(1, 3)
  const children = random.integer(0, 2)
  const { totalPrice, cleaningFee } = priceOfStay(listing, stay)
  const isAirbnb = channelId === airbnbChannel
  const isBookingcom = channelId === bookingcomChannel
  return {
    id,
    listingMapId: listing.id,
    listingName: listing.name,
    channelId,
    source: null,
    channelName: channelNames[channelId] ?? 'unknown',
    reservationId: reference,
    hostawayReservationId: String(id),
    channelReservationId: reference,
    externalPropertyId: '0',
    externalUnitId: null,
    assigneeUserId: null,
    customerIcalId: null,
    customerIcalName: null,
    guestAuthHash: accessHash,
    guestPortalUrl: `https://guests.example.com/${id}/${accessHash}`,
    guestPortalRevampUrl: null,
    isProcessed: 1,
    isInitial: 0,
    isManuallyChecked: 0,
    isInstantBooked: 1,
    reservationDate: now,
    pendingExpireDate: null,
    guestName: guest.guestName,
    guestFirstName: guest.guestFirstName,
    guestLastName: guest.guestLastName,
    guestExternalAccountId: isAirbnb ? String(random.integer(1_000_000, 9_999_999)) : null,
    guestZipCode: null,
    guestAddress: null,
    guestCity: guest.guestCity,
    guestCountry: guest.guestCountry,
    guestEmail: guest.guestEmail,
    guestPicture: null,
    guestRecommendations: 0,
    guestTrips: 0,
    guestWork: null,
    isGuestIdentityVerified: 0,
    isGuestVerifiedByEmail: 0,
    isGuestVerifiedByWorkEmail: 0,
    isGuestVerifiedByFacebook: 0,
    originalChannel: null,
    isGuestVerifiedByGovernmentId: 0,
    isGuestVerifiedByPhone: 0,
    isGuestVerifiedByReviews: 0,
    numberOfGuests: adults + children,
    adults,
    children,
    infants: 0,
    pets: null,
    arrivalDate: stay.arrivalDate,
    departureDate: stay.departureDate,
    isDatesUnspecified: 0,
    previousArrivalDate: null,
    previousDepartureDate: null,
    checkInTime: 15,
    checkOutTime: 11,
    nights: daysBetween(stay.arrivalDate, stay.departureDate),
    phone: guest.phone,
    totalPrice,
    remainingBalance: null,
    taxAmount: 0,
    channelCommissionAmount: isAirbnb ? null : roundAmount(totalPrice * 0.15, listing.currencyCode),
    hostawayCommissionAmount: null,
    cleaningFee,
    securityDepositFee: null,
    isPaid: null,
    ccName: null,
    ccNumber: null,
    ccNumberEndingDigits: null,
    ccExpirationYear: null,
    ccExpirationMonth: null,
    cvc: null,
    stripeGuestId: null,
    stripeMessage: null,
    braintreeGuestId: null,
    braintreeMessage: null,
    currency: listing.currencyCode,
    status: 'new',
    paymentStatus: 'Unknown',
    cancellationDate: null,
    cancelledBy: null,
    hostNote: null,
    guestNote: null,
    doorCode: null,
    doorCodeVendor: null,
    doorCodeInstruction: null,
    comment: null,
    confirmationCode: isAirbnb ? `HM${accessHash}` : null,
    airbnbExpectedPayoutAmount: null,
    airbnbListingBasePrice: null,
    airbnbListingCancellationHostFee: null,
    airbnbListingCancellationPayout: null,
    airbnbListingCleaningFee: null,
    airbnbListingHostFee: null,
    airbnbListingSecurityPrice: null,
    airbnbOccupancyTaxAmountPaidToHost: null,
    airbnbTotalPaidAmount: null,
    airbnbTransientOccupancyTaxPaidAmount: null,
    airbnbCancellationPolicy: isAirbnb ? 'moderate' : null,
    bookingCancellationPolicy: null,
    vrboCancellationPolicy: null,
    marriottCancellationPolicy: null,
    cancellationPolicyDetails: null,
    isStarred: 0,
    isArchived: 0,
    isPinned: 0,
    reservationCouponId: null,
    customFieldValues: [],
    reservationFees: [],
    reservationUnit: [],
    insertedOn: now,
    updatedOn: now,
    latestActivityOn: now,
    customerUserId: null,
    guestLocale: guest.guestLocale,
    localeForMessaging: null,
    localeForMessagingSource: null,
    listingCustomFields: [],
    rentalAgreementFileUrl: null,
    reservationAgreement: 'not_required',
    financeField: createFinanceRows(
      identifiers,
      {
        accountId,
        listingMapId: listing.id,
        reservationId: id,
        channelId,
        currency: listing.currencyCode,
        now,
      },
      { totalPrice, cleaningFee },
    ),
    guestPaymentCardIsVirtual: null,
    insuranceStatus: 'not_eligible',
    claimStatus: null,
    insurancePolicyId: null,
    insuranceCoverageStart: null,
    insuranceCoverageEnd: null,
    cancellationPolicyId: 79_001,
    cancellationPolicy: 'moderate',
    bookingcomSpecialRequests: null,
    bookingcomSmokingPreference: isBookingcom ? 0 : null,
    bookingcomIsGeniusMember: isBookingcom ? 1 : null,
    bookingcomBookerName: isBookingcom ? guest.guestName : null,
    bookingcomBookerCompany: null,
    bookingcomNoShowReportedAt: null,
    bookingcomNoShowFeeWaived: null,
    hostProxyEmail: `c-${accessHash.toLowerCase()}@host.example.com`,
  }
}
