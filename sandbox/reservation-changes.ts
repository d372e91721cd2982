import type { Account, StoredListing } from './accounts.ts'
import { listingOf, reservationOf } from './accounts.ts'
import { announceReservation } from './announcements.ts'
import { directChannel, holdOf, knownStatuses } from './booking-channels.ts'
import { holdNights, isFree, releaseNights } from './calendar-days.ts'
import { createFinanceRows, replaceFinanceRows } from './finance-rows.ts'
import type { JsonObject, JsonValue } from './json-text.ts'
import { datetimeMilliseconds, datetimeText, daysBetween, isDay, nightsOf } from './plain-days.ts'
import { Contradiction, InvalidInput } from './refusals.ts'
import type { Reservation, Stay, StoredReservation } from './reservation-factory.ts'
import { createReservation, priceOfStay, testCard } from './reservation-factory.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { World } from './world.ts'

export type ChangeOptions = {
  /** Send no webhook. */
  silent?: boolean | undefined
  /** Take nights that are taken already. */
  force?: boolean | undefined
  /** Do not let `updatedOn` advance. */
  keepUpdatedOn?: boolean | undefined
}

const fieldsThatModify = [
  'arrivalDate',
  'departureDate',
  'numberOfGuests',
  'adults',
  'children',
  'totalPrice',
]

/** Makes a reservation on nights that must be free unless `force` is set, and announces it. */
export function book(
  world: World,
  account: Account,
  booking: { listingId: number; stay: Stay; channelId?: number | undefined; withCard?: boolean | undefined },
  fields: Record<string, JsonValue>,
  options: ChangeOptions & { random?: SeededRandom } = {},
): StoredReservation {
  const listing = listingOf(account, booking.listingId)
  checkStay(booking.stay)
  const status = fields.status ?? 'new'
  checkStatus(status)
  const holds = holdOf(status) !== 'none' && fields.isDatesUnspecified !== 1
  if (holds && options.force !== true && !isFree(listing, booking.stay)) {
    throw new Contradiction('The listing is not available on these dates')
  }
  const now = Date.now()
  const body = createReservation(world.identifiers, options.random ?? world.random, {
    accountId: account.accountId,
    listing: listing.body,
    stay: booking.stay,
    channelId: booking.channelId ?? directChannel,
    now: datetimeText(now),
  })
  if (booking.withCard ?? world.switches.withCards) Object.assign(body, testCard)
  Object.assign(body, guestCounts(fields), fields)
  if (fields.totalPrice !== undefined && fields.financeField === undefined)
    renewFinanceRows(world, account, body)
  const reservation: StoredReservation = { body, shownFromMs: shownFrom(world, now) }
  if (listing.units.length > 0) body.reservationUnit = [assignUnit(world, listing, body)]
  account.reservations.set(body.id, reservation)
  holdNights(listing, reservation)
  if (options.silent !== true) announceReservation(world, account, 'reservation.created', reservation)
  return reservation
}

// Guests are only made up where nothing is said about them: what is said must not contradict what is added.
function guestCounts(fields: Record<string, JsonValue>): Record<string, number> {
  const said = [fields.numberOfGuests, fields.adults, fields.children]
  if (said.every((count) => typeof count !== 'number')) return {}
  const [total, adults, children] = said.map((count) => (typeof count === 'number' ? count : undefined))
  const grownUp = adults ?? Math.max(1, (total ?? 1) - (children ?? 0))
  const young = children ?? Math.max(0, (total ?? grownUp) - grownUp)
  return { numberOfGuests: total ?? grownUp + young, adults: grownUp, children: young }
}

/**
 * Changes a reservation, lets `updatedOn` advance, and announces it.
 * `by: 'guest'` prices a longer or shorter stay again; `by: 'host'` leaves the price as sent, and any change turns `new` into `modified`.
 */
export function change(
  world: World,
  account: Account,
  reservationId: number,
  fields: Record<string, JsonValue>,
  options: ChangeOptions & { by: 'guest' | 'host' },
): StoredReservation {
  const reservation = reservationOf(account, reservationId)
  const listing = listingOf(account, reservation.body.listingMapId)
  const before = reservation.body
  const after: Reservation = { ...before, ...fields }
  checkStay(after)
  checkStatus(after.status)
  const datesChanged =
    after.arrivalDate !== before.arrivalDate || after.departureDate !== before.departureDate
  const beginsToHold = holdOf(before.status) === 'none'
  const takesNights = holdOf(after.status) !== 'none' && (datesChanged || beginsToHold)
  if (takesNights && options.force !== true && !isFree(listing, after, reservation)) {
    throw new Contradiction('The listing is not available on these dates')
  }
  if (datesChanged) {
    after.previousArrivalDate = before.arrivalDate
    after.previousDepartureDate = before.departureDate
    after.nights = daysBetween(after.arrivalDate, after.departureDate)
  }
  const statusGiven = fields.status !== undefined && fields.status !== before.status
  const modifies = Object.keys(fields).some(
    (key) =>
      key !== 'status' &&
      (options.by === 'host' || fieldsThatModify.includes(key)) &&
      !sameJson(fields[key], before[key]),
  )
  if (after.status === 'new' && (datesChanged || (!statusGiven && modifies))) after.status = 'modified'
  if (statusGiven && after.status === 'cancelled') after.cancellationDate ??= datetimeText(Date.now())
  if (options.keepUpdatedOn !== true) advanceUpdatedOn(before, after)
  if (fields.updatedOn !== undefined) after.updatedOn = String(fields.updatedOn)
  if (options.by === 'guest') after.latestActivityOn = after.updatedOn
  if (fields.financeField !== undefined) {
    after.financeField = replaceFinanceRows(
      world.identifiers,
      financeOwner(account, after),
      before.financeField,
      fields.financeField,
    )
  } else if (options.by === 'guest' && (datesChanged || fields.totalPrice !== undefined)) {
    if (fields.totalPrice === undefined) Object.assign(after, priceOfStay(listing.body, after))
    renewFinanceRows(world, account, after)
  }
  releaseNights(listing, reservation)
  if (beginsToHold) reservation.shownFromMs = shownFrom(world, Date.now())
  reservation.body = after
  holdNights(listing, reservation)
  if (options.silent !== true) announceReservation(world, account, 'reservation.updated', reservation)
  return reservation
}

/** Cancels; the nights are open for sale at once. */
export function cancel(
  world: World,
  account: Account,
  reservationId: number,
  cancelledBy: 'guest' | 'host',
  options: ChangeOptions = {},
): StoredReservation {
  return change(
    world,
    account,
    reservationId,
    { status: 'cancelled', cancelledBy, cancellationDate: datetimeText(Date.now()) },
    { ...options, by: cancelledBy },
  )
}

/** Takes a reservation out of the account without a word; its nights are open for sale at once. */
export function removeReservation(account: Account, reservationId: number): void {
  const reservation = reservationOf(account, reservationId)
  releaseNights(listingOf(account, reservation.body.listingMapId), reservation)
  account.reservations.delete(reservationId)
  account.removedReservations.set(reservationId, reservation)
}

function shownFrom(world: World, now: number): number {
  return now + world.settings.reservedDelayMs * world.settings.timeScale
}

// Hostaway's clock has whole seconds; two changes within one must still be distinguished by their order.
function advanceUpdatedOn(before: Reservation, after: Reservation): void {
  const earliest = datetimeMilliseconds(before.updatedOn) + 1_000
  after.updatedOn = datetimeText(Math.max(Date.now(), earliest))
}

function renewFinanceRows(world: World, account: Account, body: Reservation): void {
  body.financeField = createFinanceRows(world.identifiers, financeOwner(account, body), {
    totalPrice: body.totalPrice ?? 0,
    cleaningFee: typeof body.cleaningFee === 'number' ? body.cleaningFee : 0,
  })
}

function financeOwner(account: Account, body: Reservation) {
  return {
    accountId: account.accountId,
    listingMapId: body.listingMapId,
    reservationId: body.id,
    channelId: body.channelId,
    currency: body.currency,
    now: body.updatedOn,
  }
}

function assignUnit(world: World, listing: StoredListing, body: Reservation): JsonObject {
  const taken = new Set<JsonValue | undefined>()
  for (const night of nightsOf(body.arrivalDate, body.departureDate)) {
    for (const holder of listing.nights.get(night) ?? [])
      taken.add(holder.body.reservationUnit[0]?.listingUnitId)
  }
  const unit = listing.units.find(({ id }) => !taken.has(id)) ?? listing.units[0]
  return {
    id: world.identifiers.next('reservationUnit'),
    reservationId: body.id,
    listingUnitId: unit?.id ?? null,
    externalReservationId: null,
    externalReservationUnitId: null,
    guestName: body.guestName ?? null,
    guestFirstName: body.guestFirstName ?? null,
    guestLastName: body.guestLastName ?? null,
    numberOfGuests: body.numberOfGuests ?? null,
    adults: body.adults ?? null,
    children: body.children ?? null,
    infants: body.infants ?? null,
    pets: body.pets ?? null,
    totalPrice: body.totalPrice,
  }
}

function checkStay(stay: Stay): void {
  if (!isDay(stay.arrivalDate) || !isDay(stay.departureDate)) {
    throw new InvalidInput('arrivalDate and departureDate must be days as YYYY-MM-DD')
  }
  if (stay.arrivalDate >= stay.departureDate) {
    throw new InvalidInput('departureDate must be after arrivalDate')
  }
}

function checkStatus(status: JsonValue): asserts status is string {
  if (typeof status !== 'string' || !knownStatuses.includes(status)) {
    throw new InvalidInput(`"${String(status)}" is no reservation status`)
  }
}

function sameJson(left: JsonValue | undefined, right: JsonValue | undefined): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}
