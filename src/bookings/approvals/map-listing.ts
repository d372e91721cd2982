import type { Transaction } from 'kysely'
import { parkDesired } from '../../calendar/desired-store.ts'
import { assignUnit, findListings, lockListing } from '../../listings/listing-store.ts'
import { lockMapping } from '../../mapping/mapping-lock.ts'
import { appendEvents } from '../../outbox/outbox-store.ts'
import { dayIn } from '../../platform/days.ts'
import type { BlockRow, Database, ListingRow } from '../../platform/db/tables.ts'
import { notFound, Problem } from '../../platform/http/problems.ts'
import type { ReservationOwner } from '../apply/incoming-reservation.ts'
import { type ReleaseDeps, releaseWaiting } from '../apply/release-waiting.ts'
import {
  type ConflictDeps,
  eventsOfChange,
  newClaim,
  type ReservationChange,
  reportConflict,
} from '../apply/reservation-events.ts'
import { byReservation, nameOf } from '../apply/stored-reservation.ts'
import { moveDrafts } from '../approval-store.ts'
import {
  findBlocksToMove,
  findOverbooked,
  lockUnits,
  type MovingListing,
  moveBlocks,
} from '../block-store.ts'
import { findBookingsOfReservations, lockReservations, moveBookings } from '../booking-store.ts'

/** What a listing is to stand for; null: no unit. An undefined rate stays as it is. */
export type MappingOrder = {
  listingId: string
  unitId: string | null
  commissionRate: number | null | undefined
}

export type Mapped = {
  listing: ListingRow
  /** Reservations whose nights came along, and reservations that waited for the listing. */
  moved: number
  released: number
}

export type MapListingDeps = ConflictDeps & ReleaseDeps

/**
 * Gives listings a unit, another unit or none, all of them or none at all; units may change places. Stays that are not
 * over move with their listing, with their events, in the same transaction; what was desired for the old unit is parked;
 * what waited for a listing is released. Safe to repeat. Throws a Problem where a listing does not exist or a unit has
 * another listing.
 */
export async function mapListings(
  deps: MapListingDeps,
  connection: ReservationOwner,
  orders: MappingOrder[],
): Promise<Mapped[]> {
  const assigned = await deps.db
    .transaction()
    .execute((trx) => assign(trx, connection, orders))
    .catch((error: unknown) => {
      throw isTaken(error) ? alreadyMapped(error) : error
    })
  const mapped: Mapped[] = []
  for (const { listing, changes } of assigned) {
    for (const change of changes) reportConflict(deps, connection.id, change)
    const key = { connectionId: connection.id, listingId: listing.listing_id }
    mapped.push({ listing, moved: changes.length, released: await releaseWaiting(deps, key) })
  }
  return mapped
}

type Assigned = { listing: ListingRow; changes: ReservationChange[] }

async function assign(
  trx: Transaction<Database>,
  connection: ReservationOwner,
  orders: MappingOrder[],
): Promise<Assigned[]> {
  // In the order of every writer: reservations, listings, units, desired values. The first row lock comes after the
  // reservations', since events are read in the order of transactions.
  await lockMapping(trx, connection.id)
  const keyOfOrder = ({ listingId }: MappingOrder) => ({ connectionId: connection.id, listingId })
  const seen = await findListings(trx, orders.map(keyOfOrder))
  const planned: Array<{ order: MappingOrder; moving: MovingListing | undefined; blocks: BlockRow[] }> = []
  for (const order of orders) {
    const listing = seen.find(({ listing_id }) => listing_id === order.listingId)
    if (listing === undefined)
      throw notFound(orders.length === 1 ? 'The listing' : `Listing ${order.listingId}`)
    const { unitId } = order
    const today = dayIn(listing.time_zone, new Date())
    const moving = unitId === null ? undefined : { ...keyOfOrder(order), unitId, today }
    planned.push({ order, moving, blocks: moving === undefined ? [] : await findBlocksToMove(trx, moving) })
  }
  const blocks = planned.flatMap((plan) => plan.blocks)
  if (blocks.length > 0) await lockReservations(trx, blocks.map(keyOf))
  const locked: ListingRow[] = []
  for (const { listingId } of orders.toSorted(byListing)) {
    locked.push(await lockListing(trx, { connectionId: connection.id, listingId }))
  }
  await lockUnits(
    trx,
    planned.flatMap((plan) => unitsOf(connection.tenantId, plan.order.unitId, plan.blocks)),
  )
  for (const { order } of planned) {
    const listing = locked.find(({ listing_id }) => listing_id === order.listingId)
    if (listing === undefined || listing.unit_id === null || listing.unit_id === order.unitId) continue
    await parkDesired(trx, keyOfOrder(order), listing)
    // Makes room, so that two listings may change places.
    await assignUnit(trx, keyOfOrder(order), { unitId: null, commissionRate: undefined })
  }
  const assigned: Assigned[] = []
  for (const { order, moving, blocks: own } of planned) {
    const listing = await assignUnit(trx, keyOfOrder(order), order)
    const changes = moving === undefined ? [] : await move(trx, connection, listing, moving, own)
    assigned.push({ listing, changes })
  }
  return assigned
}

function byListing(one: MappingOrder, other: MappingOrder): number {
  return one.listingId < other.listingId ? -1 : 1
}

function unitsOf(tenantId: string, unitId: string | null, blocks: BlockRow[]) {
  return [unitId, ...blocks.map(({ unit_id }) => unit_id)].flatMap((unit) =>
    unit === null ? [] : [{ tenantId, unitId: unit }],
  )
}

async function move(
  trx: Transaction<Database>,
  connection: ReservationOwner,
  listing: ListingRow,
  moving: MovingListing,
  blocks: BlockRow[],
): Promise<ReservationChange[]> {
  await moveDrafts(trx, moving)
  if (blocks.length === 0) return []
  const bookings = byReservation(await findBookingsOfReservations(trx, blocks.map(keyOf)))
  const externalIds = blocks.map(({ external_id }) => external_id)
  const blocksNow = byReservation(await moveBlocks(trx, moving, externalIds))
  const bookingsNow = byReservation(await moveBookings(trx, moving, externalIds))
  const changes = blocks.map((block): ReservationChange => {
    const name = nameOf(keyOf(block))
    return {
      connection,
      externalId: block.external_id,
      bookingId: block.booking_id,
      before: bookings.get(name),
      after: bookingsNow.get(name),
      approval: null,
      blockBefore: block,
      blockAfter: blocksNow.get(name),
      overbookedWith: [],
    }
  })
  await findNewOverlaps(trx, changes, listing.unit_count)
  await appendEvents(trx, changes.flatMap(eventsOfChange))
  return changes
}

// Those that come along overlapped each other before, which has been reported.
async function findNewOverlaps(
  trx: Transaction<Database>,
  changes: ReservationChange[],
  units: number,
): Promise<void> {
  const claims = changes.flatMap((change) => {
    const claim = newClaim(change, units)
    return claim === null ? [] : [{ change, claim }]
  })
  const overbooked = await findOverbooked(
    trx,
    claims.map(({ claim }) => claim),
  )
  const along = new Set(changes.map(({ externalId }) => externalId))
  for (const [index, { change }] of claims.entries()) {
    change.overbookedWith = (overbooked[index] ?? []).filter((externalId) => !along.has(externalId))
  }
}

function keyOf({ connection_id, external_id }: BlockRow) {
  return { connectionId: connection_id, externalId: external_id }
}

function isTaken(error: unknown): error is Error & { detail?: unknown } {
  return error instanceof Error && 'constraint' in error && error.constraint === 'listings_one_per_unit'
}

function alreadyMapped({ detail }: { detail?: unknown }): Problem {
  const [, unitId] = /, (.*)\) already exists/.exec(String(detail)) ?? []
  return new Problem(
    409,
    'UNIT_ALREADY_MAPPED',
    `Unit ${unitId} has another listing of this connection; give that one another unit, or null, first`,
  )
}
