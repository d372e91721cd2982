import type { Account, StoredListing, WrittenDay } from './accounts.ts'
import { holdOf } from './booking-channels.ts'
import type { JsonObject } from './json-text.ts'
import { dayNumber, eachDay, nightsOf } from './plain-days.ts'
import type { StoredReservation } from './reservation-factory.ts'
import { viewReservation } from './reservation-view.ts'

function unitCount(listing: StoredListing): number {
  return Math.max(1, listing.units.length)
}

/** The nights a reservation takes at present; none when its status holds nothing or its dates are not known. */
function heldNights({ body }: StoredReservation): string[] {
  if (holdOf(body.status) === 'none' || body.isDatesUnspecified === 1) return []
  return nightsOf(body.arrivalDate, body.departureDate)
}

export function holdNights(listing: StoredListing, reservation: StoredReservation): void {
  for (const night of heldNights(reservation)) {
    const holders = listing.nights.get(night)
    if (holders) holders.add(reservation)
    else listing.nights.set(night, new Set([reservation]))
    if (night > listing.latestNight) listing.latestNight = night
  }
}

/**
 * Takes a reservation off the calendar. A night without any other stay is open for sale at once,
 * even where it had been blocked by hand. Call it before the reservation's status or dates change.
 */
export function releaseNights(listing: StoredListing, reservation: StoredReservation): void {
  for (const night of heldNights(reservation)) {
    const holders = listing.nights.get(night)
    if (!holders?.delete(reservation)) continue
    if (holders.size > 0) continue
    listing.nights.delete(night)
    const written = listing.days.get(night)
    if (written && listing.units.length === 0) written.isAvailable = 1
  }
}

/** True when every night of the stay still has a unit, whatever the calendar shows yet; `ignoring` does not count. */
export function isFree(
  listing: StoredListing,
  stay: { arrivalDate: string; departureDate: string },
  ignoring?: StoredReservation,
): boolean {
  return nightsOf(stay.arrivalDate, stay.departureDate).every((night) => {
    const holders = listing.nights.get(night)
    const taken = (holders?.size ?? 0) - (ignoring && holders?.has(ignoring) ? 1 : 0)
    return taken < unitsOffered(listing, listing.days.get(night))
  })
}

function unitsOffered(listing: StoredListing, written: WrittenDay | undefined): number {
  if (listing.units.length === 0) return written?.isAvailable === 0 ? 0 : 1
  return Math.min(written?.desiredUnitsToSell ?? unitCount(listing), unitCount(listing))
}

/** Writes the same values to every day from `first` to `last`, both included. */
export function writeDays(listing: StoredListing, first: string, last: string, values: WrittenDay): void {
  for (const day of eachDay(first, last)) {
    listing.days.set(day, { ...listing.days.get(day), ...values })
  }
}

/** The days from `first` to `last`, both included, as the calendar shows them at the moment `now`. */
export function showDays(
  account: Account,
  listing: StoredListing,
  range: { first: string; last: string },
  options: { now: number; includeResources: boolean },
): JsonObject[] {
  return eachDay(range.first, range.last).map((day) => showDay(account, listing, day, options))
}

function showDay(
  account: Account,
  listing: StoredListing,
  day: string,
  { now, includeResources }: { now: number; includeResources: boolean },
): JsonObject {
  const written = listing.days.get(day) ?? {}
  const shown = [...(listing.nights.get(day) ?? [])].filter(({ shownFromMs }) => shownFromMs <= now)
  const pending = shown.filter(({ body }) => holdOf(body.status) === 'pending').length
  const reserved = shown.length - pending
  const units = unitCount(listing)
  const free = Math.max(0, units - reserved - pending)
  const sellable = Math.min(free, unitsOffered(listing, written))
  return {
    id: (listing.body.id % 1_000_000) * 100_000 + dayNumber(day),
    date: day,
    isAvailable: sellable > 0 ? 1 : 0,
    isProcessed: 1,
    status: statusOf({ sellable, free, reserved }),
    price: written.price ?? listing.body.price,
    minimumStay: written.minimumStay ?? numberOr(listing.body.minNights, 1),
    maximumStay: written.maximumStay ?? numberOr(listing.body.maxNights, 365),
    closedOnArrival: written.closedOnArrival ?? null,
    closedOnDeparture: written.closedOnDeparture ?? null,
    note: written.note ?? null,
    countAvailableUnits: units,
    availableUnitsToSell: sellable,
    countPendingUnits: pending,
    countBlockingReservations: reserved,
    countBlockedUnits: free - sellable,
    countReservedUnits: reserved,
    desiredUnitsToSell: listing.units.length === 0 ? null : (written.desiredUnitsToSell ?? null),
    reservations: includeResources
      ? shown.filter(({ body }) => account.reservations.has(body.id)).map(({ body }) => viewReservation(body))
      : [],
  }
}

function statusOf(units: { sellable: number; free: number; reserved: number }): string {
  if (units.sellable > 0) return 'available'
  if (units.free > 0) return 'blocked'
  return units.reserved > 0 ? 'reserved' : 'pending'
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise
}
