import type { JsonObject } from './json-text.ts'
import type { Reservation } from './reservation-factory.ts'

export type ReservationView = {
  includeResources?: boolean
  includeCancellationPolicy?: boolean
  includePayments?: boolean
}

const onlyWithResources = {
  customFieldValues: [],
  reservationFees: [],
  reservationUnit: [],
  hostProxyEmail: null,
  bookingcomSpecialRequests: null,
  bookingcomSmokingPreference: null,
  bookingcomIsGeniusMember: null,
  bookingcomBookerName: null,
  bookingcomBookerCompany: null,
  bookingcomNoShowReportedAt: null,
  bookingcomNoShowFeeWaived: null,
}

/** What the API and the webhooks show of a reservation: much is empty unless it is asked for. */
export function viewReservation(body: Reservation, view: ReservationView = {}): JsonObject {
  const policy: JsonObject = {
    id: body.cancellationPolicyId ?? null,
    name: body.cancellationPolicy ?? null,
    cancellationPolicyItem: [],
  }
  return {
    ...body,
    ...(view.includeResources === true ? {} : onlyWithResources),
    cancellationPolicyDetails: view.includeCancellationPolicy === true ? policy : null,
    remainingBalance: view.includePayments === true ? body.totalPrice : null,
  }
}
