import type { Identifiers } from './identifiers.ts'
import type { JsonObject, JsonValue } from './json-text.ts'

export type Listing = JsonObject & {
  id: number
  name: string
  price: number
  currencyCode: string
  timeZoneName: string
}

export type ListingUnit = {
  id: number
  name: string
  ground: string
  unitNumber: string
  listingMapIdUnit: string | null
}

export type ListingRequest = {
  id?: number | undefined
  name: string
  currencyCode?: string | undefined
  timeZoneName?: string | undefined
  price?: number | undefined
  /** How many identical units are sold under this listing. */
  units?: number | undefined
  city?: string | undefined
  country?: string | undefined
  countryCode?: string | undefined
  /** Any further key of a listing. */
  fields?: Record<string, JsonValue> | undefined
}

export function createListingUnits(identifiers: Identifiers, count: number): ListingUnit[] {
  if (count < 2) return []
  return Array.from({ length: count }, (_, index) => ({
    id: identifiers.next('listingUnit'),
    name: `Unit ${index + 1}`,
    ground: '1',
    unitNumber: String(101 + index),
    listingMapIdUnit: null,
  }))
}

export function createListing(id: number, request: ListingRequest, now: string): Listing {
  const { name, city = 'Springfield', country = 'United States', countryCode = 'US' } = request
  return {
    id,
    propertyTypeId: 1,
    name,
    externalListingName: name,
    internalListingName: name,
    description: `${name} in ${city}.`,
    thumbnailUrl: null,
    houseRules: 'No smoking.',
    keyPickup: null,
    specialInstruction: null,
    doorSecurityCode: '0000',
    country,
    countryCode,
    state: null,
    city,
    street: '1 Main Street',
    address: `1 Main Street, ${city}, ${country}`,
    publicAddress: `${city}, ${country}`,
    zipcode: '10001',
    price: request.price ?? 100,
    averageNightlyPrice: request.price ?? 100,
    starRating: null,
    averageReviewRating: null,
    weeklyDiscount: null,
    monthlyDiscount: null,
    propertyRentTax: null,
    guestPerPersonPerNightTax: null,
    guestStayTax: null,
    guestNightlyTax: null,
    guestBathroomsNumber: null,
    refundableDamageDeposit: null,
    isDepositStayCollected: 0,
    personCapacity: 4,
    maxChildrenAllowed: null,
    maxInfantsAllowed: null,
    maxPetsAllowed: null,
    lat: 40.1,
    lng: -8.6,
    checkInTimeStart: 15,
    checkInTimeEnd: 22,
    checkOutTime: 11,
    cancellationPolicy: 'moderate',
    cancellationPolicyId: null,
    airbnbCancellationPolicyId: null,
    bookingCancellationPolicyId: null,
    marriottCancellationPolicyId: null,
    vrboCancellationPolicyId: null,
    squareMeters: 62,
    specialStatus: null,
    roomType: 'entire_home',
    bathroomType: 'private',
    bedroomsNumber: 2,
    bedsNumber: 2,
    bedType: 'real_bed',
    bathroomsNumber: 1,
    minNights: 1,
    maxNights: 365,
    guestsIncluded: 2,
    cleaningFee: null,
    checkinFee: null,
    priceForExtraPerson: 0,
    instantBookable: 1,
    instantBookableLeadTime: 1,
    allowSameDayBooking: 1,
    sameDayBookingLeadTime: 12,
    bookingEngineLeadTime: null,
    contactName: 'Sam',
    contactSurName: 'Example',
    contactPhone1: '+15550100100',
    contactPhone2: null,
    contactLanguage: 'en',
    contactEmail: 'host@example.com',
    contactAddress: null,
    invoicingContactName: null,
    invoicingContactSurName: null,
    invoicingContactPhone1: null,
    invoicingContactPhone2: null,
    invoicingContactLanguage: null,
    invoicingContactEmail: null,
    invoicingContactAddress: null,
    invoicingContactCity: null,
    invoicingContactZipcode: null,
    invoicingContactCountry: null,
    language: 'en',
    currencyCode: request.currencyCode ?? 'USD',
    timeZoneName: request.timeZoneName ?? 'America/New_York',
    wifiUsername: null,
    wifiPassword: null,
    cleannessStatus: null,
    cleaningInstruction: null,
    cleannessStatusUpdatedOn: null,
    propertyLicenseNumber: null,
    propertyLicenseType: null,
    propertyLicenseIssueDate: null,
    propertyLicenseExpirationDate: null,
    partnersListingMarkup: null,
    airbnbOfficialListingMarkup: null,
    bookingEngineMarkup: null,
    homeawayApiMarkup: null,
    marriottListingMarkup: null,
    isRentalAgreementActive: false,
    listingAgreementText: null,
    airbnbListingUrl: null,
    vrboListingUrl: null,
    expediaListingUrl: null,
    googleVrListingUrl: null,
    airbnbExportStatus: null,
    vrboExportStatus: null,
    marriotExportStatus: null,
    bookingcomExportStatus: null,
    expediaExportStatus: null,
    googleExportStatus: null,
    airbnbName: name,
    airbnbSummary: null,
    airbnbPetFeeAmount: null,
    homeawayPropertyName: name,
    homeawayPropertyHeadline: null,
    homeawayPropertyDescription: null,
    bookingcomPropertyName: name,
    bookingcomPropertyRoomName: null,
    bookingcomPropertyDescription: null,
    bookingcomPropertyHasVat: false,
    bookingcomPropertyDeclaresRevenue: false,
    bookingcomPropertyRegisteredInVcs: false,
    marriottListingName: null,
    attachment: null,
    applyPropertyRentTaxToFees: 0,
    insuranceEligibilityStatus: false,
    listingAmenities: [
      { id: id * 10 + 1, amenityId: 2, amenityName: 'Internet' },
      { id: id * 10 + 2, amenityId: 3, amenityName: 'Wireless internet' },
    ],
    listingBedTypes: [{ id: id * 10 + 1, bedTypeId: 2, quantity: 1 }],
    listingImages: [
      { id: id * 10 + 1, caption: 'Front', url: `https://images.example.com/${id}/front.jpg`, sortOrder: 1 },
    ],
    listingTags: [],
    listingFeeSetting: [],
    customFieldValues: [],
    bookingEngineUrls: [],
    listingSettings: [],
    insertedOn: now,
    latestActivityOn: now,
    ...request.fields,
  }
}
