import { type Kysely, sql, type Transaction } from 'kysely'
import type { BlockRow, Database } from '../db/tables.ts'

/** Nights that a reservation holds: `firstNight` inclusive, `departure` exclusive. */
export type Block = {
  listingId: string
  unitId: string | null
  firstNight: string
  departure: string
  unitCount: number
  confirmed: boolean
}

type ReservationKey = { connectionId: string; externalId: string }

/** Serialises writers of the same units, so that each sees the nights the others hold. Locks in sorted order. */
export async function lockUnits(
  trx: Transaction<Database>,
  tenantId: string,
  unitIds: Array<string | null | undefined>,
): Promise<void> {
  const sorted = [...new Set(unitIds.filter((id) => id != null))].sort()
  for (const unitId of sorted) {
    await sql`select pg_advisory_xact_lock(hashtextextended(${`unit:${tenantId}:${unitId}`}, 0))`.execute(trx)
  }
}

export async function findBlock(db: Kysely<Database>, key: ReservationKey): Promise<BlockRow | undefined> {
  return db
    .selectFrom('availability_blocks')
    .selectAll()
    .where('connection_id', '=', key.connectionId)
    .where('external_id', '=', key.externalId)
    .executeTakeFirst()
}

/** Makes the block the only one of the reservation. */
export async function putBlock(
  trx: Transaction<Database>,
  key: ReservationKey & { tenantId: string; bookingId: string | null },
  block: Block,
): Promise<void> {
  const values = {
    listing_id: block.listingId,
    unit_id: block.unitId,
    first_night: block.firstNight,
    departure: block.departure,
    unit_count: block.unitCount,
    confirmed: block.confirmed,
    booking_id: key.bookingId,
  }
  await trx
    .insertInto('availability_blocks')
    .values({
      connection_id: key.connectionId,
      external_id: key.externalId,
      tenant_id: key.tenantId,
      ...values,
    })
    .onConflict((conflict) => conflict.columns(['connection_id', 'external_id']).doUpdateSet(values))
    .execute()
}

export async function deleteBlock(trx: Transaction<Database>, key: ReservationKey): Promise<void> {
  await trx
    .deleteFrom('availability_blocks')
    .where('connection_id', '=', key.connectionId)
    .where('external_id', '=', key.externalId)
    .execute()
}

/**
 * The other reservations that, together with this block, hold more units of one unit type than there are, on at
 * least one night; empty where everything fits. Counts confirmed blocks only; the caller holds the unit's lock.
 */
export async function findOverbooked(
  trx: Transaction<Database>,
  options: {
    tenantId: string
    unitId: string
    firstNight: string
    departure: string
    capacity: number
    externalId: string
  },
): Promise<string[]> {
  // The most units are held at the start of some block, so the nights in between need not be looked at.
  const { rows } = await sql<{ external_id: string }>`
    with overlapping as (
      select external_id, unit_count, departure, greatest(first_night, ${options.firstNight}::date) as first_night
      from availability_blocks
      where tenant_id = ${options.tenantId} and unit_id = ${options.unitId} and confirmed
        and departure > ${options.firstNight}::date and first_night < ${options.departure}::date
    ), overbooked as (
      select start.first_night as night
      from (select distinct first_night from overlapping) start
      join overlapping held on held.first_night <= start.first_night and held.departure > start.first_night
      group by start.first_night
      having sum(held.unit_count) > ${options.capacity}
    )
    select distinct overlapping.external_id
    from overlapping
    join overbooked on overlapping.first_night <= overbooked.night and overlapping.departure > overbooked.night
    where overlapping.external_id <> ${options.externalId}
    order by overlapping.external_id
  `.execute(trx)
  return rows.map(({ external_id }) => external_id)
}

/** The blocks of a unit that touch the days from `from` to `to`, both inclusive. */
export async function listBlocksOfUnit(
  db: Kysely<Database>,
  options: { tenantId: string; unitId: string; from: string; to: string },
): Promise<BlockRow[]> {
  return db
    .selectFrom('availability_blocks')
    .selectAll()
    .where('tenant_id', '=', options.tenantId)
    .where('unit_id', '=', options.unitId)
    .where('departure', '>', options.from)
    .where('first_night', '<=', options.to)
    .orderBy('first_night')
    .orderBy('external_id')
    .execute()
}
