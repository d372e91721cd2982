import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely'
import { isOfReservations } from '../platform/db/key-pairs.ts'
import type { BlockRow, Database } from '../platform/db/tables.ts'
import type { ReservationKey } from './booking-store.ts'

/** Nights that a reservation holds: `firstNight` inclusive, `departure` exclusive. */
export type Block = {
  listingId: string
  unitId: string | null
  firstNight: string
  departure: string
  unitCount: number
  confirmed: boolean
}

export type BlockWrite = ReservationKey & { tenantId: string; bookingId: string | null; block: Block }

/** Serialises writers of the same units, so that each sees the nights the others hold. Locks in sorted order. */
export async function lockUnits(
  trx: Transaction<Database>,
  units: Array<{ tenantId: string; unitId: string }>,
): Promise<void> {
  const keys = [...new Set(units.map(({ tenantId, unitId }) => `unit:${tenantId}:${unitId}`))].sort()
  if (keys.length === 0) return
  await sql`
    select pg_advisory_xact_lock(hashtextextended(key, 0)) from unnest(${keys}::text[]) as key
  `.execute(trx)
}

/** The blocks that there are of these reservations, in no order. */
export async function findBlocks(db: Kysely<Database>, reservations: ReservationKey[]): Promise<BlockRow[]> {
  return db.selectFrom('availability_blocks').selectAll().where(isOfReservations(reservations)).execute()
}

/** Makes each block the only one of its reservation; returns the rows, in no order. */
export async function putBlocks(trx: Transaction<Database>, writes: BlockWrite[]): Promise<BlockRow[]> {
  if (writes.length === 0) return []
  return trx
    .insertInto('availability_blocks')
    .values(
      writes.map(({ block, ...write }) => ({
        connection_id: write.connectionId,
        external_id: write.externalId,
        tenant_id: write.tenantId,
        listing_id: block.listingId,
        unit_id: block.unitId,
        first_night: block.firstNight,
        departure: block.departure,
        unit_count: block.unitCount,
        confirmed: block.confirmed,
        booking_id: write.bookingId,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['connection_id', 'external_id']).doUpdateSet((eb) => ({
        listing_id: eb.ref('excluded.listing_id'),
        unit_id: eb.ref('excluded.unit_id'),
        first_night: eb.ref('excluded.first_night'),
        departure: eb.ref('excluded.departure'),
        unit_count: eb.ref('excluded.unit_count'),
        confirmed: eb.ref('excluded.confirmed'),
        booking_id: eb.ref('excluded.booking_id'),
      })),
    )
    .returningAll()
    .execute()
}

export async function deleteBlocks(
  trx: Transaction<Database>,
  reservations: ReservationKey[],
): Promise<void> {
  if (reservations.length === 0) return
  await trx.deleteFrom('availability_blocks').where(isOfReservations(reservations)).execute()
}

/** Nights of a unit that a reservation holds, and how many units of that type there are. */
export type UnitClaim = {
  tenantId: string
  unitId: string
  firstNight: string
  departure: string
  capacity: number
  externalId: string
}

/**
 * For each claim the other reservations that, together with it, hold more units of one unit type than there are, on
 * at least one night; empty where everything fits. Counts confirmed blocks only; the caller holds the units' locks.
 */
export async function findOverbooked(trx: Transaction<Database>, claims: UnitClaim[]): Promise<string[][]> {
  if (claims.length === 0) return []
  const column = <Key extends keyof UnitClaim>(key: Key) => claims.map((claim) => claim[key])
  // The most units are held at the start of some block, so the nights in between need not be looked at.
  const { rows } = await sql<{ position: string; external_id: string }>`
    with claim as (
      select * from unnest(
        ${column('tenantId')}::uuid[], ${column('unitId')}::text[], ${column('firstNight')}::date[],
        ${column('departure')}::date[], ${column('capacity')}::integer[], ${column('externalId')}::text[]
      ) with ordinality
        as claim (tenant_id, unit_id, first_night, departure, capacity, external_id, position)
    ), overlapping as (
      select claim.position, claim.capacity, claim.external_id as claimed_by, block.external_id,
        block.unit_count, block.departure, greatest(block.first_night, claim.first_night) as first_night
      from claim
      join availability_blocks block on block.tenant_id = claim.tenant_id and block.unit_id = claim.unit_id
        and block.confirmed and block.departure > claim.first_night and block.first_night < claim.departure
    ), overbooked as (
      select start.position, start.first_night as night
      from (select distinct position, capacity, first_night from overlapping) start
      join overlapping held on held.position = start.position
        and held.first_night <= start.first_night and held.departure > start.first_night
      group by start.position, start.first_night, start.capacity
      having sum(held.unit_count) > start.capacity
    )
    select distinct overlapping.position, overlapping.external_id
    from overlapping
    join overbooked on overbooked.position = overlapping.position
      and overlapping.first_night <= overbooked.night and overlapping.departure > overbooked.night
    where overlapping.external_id <> overlapping.claimed_by
    order by overlapping.position, overlapping.external_id
  `.execute(trx)
  const byPosition = Map.groupBy(rows, ({ position }) => Number(position))
  return claims.map((_claim, index) =>
    (byPosition.get(index + 1) ?? []).map(({ external_id }) => external_id),
  )
}

/** The blocks of a unit that touch the days from `from` to `to`, both inclusive. */
export async function listBlocksOfUnits(
  db: Kysely<Database>,
  options: { tenantId: string; unitIds: string[]; from: string; to: string },
): Promise<Array<BlockRow & { queue_id: string | null }>> {
  return (
    db
      .selectFrom('availability_blocks as block')
      // A reservation that waits for a person holds its nights as well.
      .leftJoin('hostaway_booking_queue as queued', (join) =>
        join
          .onRef('queued.connection_id', '=', 'block.connection_id')
          .onRef('queued.external_id', '=', 'block.external_id')
          .on('queued.status', 'in', ['pending', 'mapped']),
      )
      .selectAll('block')
      .select('queued.id as queue_id')
      .where('block.tenant_id', '=', options.tenantId)
      .where('block.unit_id', '=', sql<string>`any(${options.unitIds})`)
      .where('departure', '>', options.from)
      .where('first_night', '<=', options.to)
      .orderBy('first_night')
      .orderBy('block.external_id')
      .execute()
  )
}

/** Nights that are desired for a booking beside those that the channel holds for it; none where `claimed` is empty. */
export type BookingClaims = {
  tenantId: string
  connectionId: string
  bookingId: string
  claimed: Block[]
}

// Two at most: what lies before the nights that are held, and what lies behind them.
const claimsPerBooking = 2

/** The key of a claim where reservations have their id; no reservation has such a one. */
export function claimName(bookingId: string, index: number): string {
  return `claim-${bookingId}-${index + 1}`
}

/** The nights that a desired value asks for and that are not held yet. Pure. */
export function claimedNights(held: Block | null, desired: Block | null): Block[] {
  if (desired === null) return []
  const isElsewhere =
    held === null ||
    held.listingId !== desired.listingId ||
    held.departure <= desired.firstNight ||
    desired.departure <= held.firstNight
  if (isElsewhere) return [desired]
  return [
    { ...desired, departure: held.firstNight },
    { ...desired, firstNight: held.departure },
  ].filter(({ firstNight, departure }) => firstNight < departure)
}

/** Makes these the only claims of the bookings. The caller holds the locks of their reservations and units. */
export async function insertBlocksOfClaims(
  trx: Transaction<Database>,
  bookings: BookingClaims[],
): Promise<void> {
  if (bookings.length === 0) return
  const names = bookings.flatMap(({ connectionId, bookingId }) =>
    Array.from({ length: claimsPerBooking }, (_, index) => ({
      connectionId,
      externalId: claimName(bookingId, index),
    })),
  )
  await sql`
    delete from availability_blocks
    where (connection_id, external_id) in (select * from unnest(
      ${names.map(({ connectionId }) => connectionId)}::uuid[],
      ${names.map(({ externalId }) => externalId)}::text[]))
  `.execute(trx)
  await putBlocks(
    trx,
    bookings.flatMap(({ claimed, bookingId, ...booking }) =>
      claimed.map((block, index) => ({
        ...booking,
        bookingId,
        externalId: claimName(bookingId, index),
        block,
      })),
    ),
  )
}

/** Nights on a listing that come with it when it stands for another unit: those of stays that end after `today`. */
export type MovingListing = { connectionId: string; listingId: string; unitId: string; today: string }

/** The blocks that are not in the listing's new unit yet; where a person chose the unit, it stays. Through an index. */
export async function findBlocksToMove(db: Kysely<Database>, listing: MovingListing): Promise<BlockRow[]> {
  return db
    .selectFrom('availability_blocks')
    .selectAll()
    .where('connection_id', '=', listing.connectionId)
    .where('listing_id', '=', listing.listingId)
    .where('departure', '>', listing.today)
    .where('unit_id', 'is distinct from', listing.unitId)
    .where(mayMove('availability_blocks'))
    .execute()
}

/** Moves these blocks to the listing's unit; returns the rows as they are now, in no order. Safe to repeat. */
export async function moveBlocks(
  trx: Transaction<Database>,
  { connectionId, unitId }: MovingListing,
  externalIds: string[],
): Promise<BlockRow[]> {
  return trx
    .updateTable('availability_blocks')
    .set({ unit_id: unitId })
    .where('connection_id', '=', connectionId)
    .where('external_id', '=', sql<string>`any(${externalIds})`)
    .returningAll()
    .execute()
}

function mayMove(table: string): RawBuilder<boolean> {
  return sql<boolean>`not exists (
    select from hostaway_booking_queue decided
    where decided.connection_id = ${sql.ref(`${table}.connection_id`)}
      and decided.external_id = ${sql.ref(`${table}.external_id`)} and decided.overrides ? 'unit')`
}
