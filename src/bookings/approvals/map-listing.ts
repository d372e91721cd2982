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
export type MappingOrder = { unitId: string | null; commissionRate: number | null | undefined }

export type Mapped = {
  listing: ListingRow
  /** Reservations whose nights came along, and reservations that waited for the listing. */
  moved: number
  released: number
}

export type MapListingDeps = ConflictDeps & ReleaseDeps

/**
 * Gives a listing a unit, another unit or none. Stays that are not over move with it, with their events, in the same
 * transaction; what was desired for the old unit is parked; what waited for the listing is released. Safe to repeat.
 * Throws a Problem where the listing does not exist or the unit has another listing.
 */
export async function mapListing(
  deps: MapListingDeps,
  connection: ReservationOwner,
  listingId: string,
  order: MappingOrder,
): Promise<Mapped> {
  const key = { connectionId: connection.id, listingId }
  const { listing, changes } = await deps.db
    .transaction()
    .execute((trx) => assign(trx, connection, key, order))
    .catch((error: unknown) => {
      throw isTaken(error) ? alreadyMapped(order.unitId) : error
    })
  for (const change of changes) reportConflict(deps, connection.id, change)
  return { listing, moved: changes.length, released: await releaseWaiting(deps, key) }
}

async function assign(
  trx: Transaction<Database>,
  connection: ReservationOwner,
  key: { connectionId: string; listingId: string },
  order: MappingOrder,
): Promise<{ listing: ListingRow; changes: ReservationChange[] }> {
  // In the order of every writer: reservations, listing, units, desired values. The first row lock comes after the
  // reservations', since events are read in the order of transactions.
  await lockMapping(trx, connection.id)
  const [seen] = await findListings(trx, [key])
  if (seen === undefined) throw notFound('The listing')
  const { unitId } = order
  const moving = unitId === null ? undefined : { ...key, unitId, today: dayIn(seen.time_zone, new Date()) }
  const blocks = moving === undefined ? [] : await findBlocksToMove(trx, moving)
  if (blocks.length > 0) await lockReservations(trx, blocks.map(keyOf))
  const listing = await lockListing(trx, key)
  await lockUnits(trx, unitsOf(connection.tenantId, unitId, blocks))
  if (listing.unit_id !== null && listing.unit_id !== unitId) await parkDesired(trx, key, listing)
  const assigned = await assignUnit(trx, key, order)
  const changes = moving === undefined ? [] : await move(trx, connection, assigned, moving, blocks)
  return { listing: assigned, changes }
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

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'constraint' in error && error.constraint === 'listings_one_per_unit'
}

function alreadyMapped(unitId: string | null): Problem {
  return new Problem(
    409,
    'UNIT_ALREADY_MAPPED',
    `Unit ${unitId} has another listing of this connection; give that one another unit, or null, first`,
  )
}
