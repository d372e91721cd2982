import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely'
import type { BlockRow, BookingRow, Database } from '../platform/db/tables.ts'

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

/** Moves these blocks and their bookings to the unit; returns the rows as they are now, in no order. Safe to repeat. */
export async function moveStays(
  trx: Transaction<Database>,
  { connectionId, listingId, unitId }: MovingListing,
  externalIds: string[],
): Promise<{ blocks: BlockRow[]; bookings: BookingRow[] }> {
  const blocks = await trx
    .updateTable('availability_blocks')
    .set({ unit_id: unitId })
    .where('connection_id', '=', connectionId)
    .where('external_id', '=', sql<string>`any(${externalIds})`)
    .returningAll()
    .execute()
  const bookings = await trx
    .updateTable('bookings')
    .set({ unit_id: unitId, updated_at: sql<Date>`clock_timestamp()` })
    .where('connection_id', '=', connectionId)
    .where('external_id', '=', sql<string>`any(${externalIds})`)
    // Its nights may be on this listing by a version that could not become its booking yet.
    .where('listing_id', '=', listingId)
    .where('unit_id', '<>', unitId)
    .returningAll()
    .execute()
  return { blocks, bookings }
}

function mayMove(table: string): RawBuilder<boolean> {
  return sql<boolean>`not exists (
    select from hostaway_booking_queue decided
    where decided.connection_id = ${sql.ref(`${table}.connection_id`)}
      and decided.external_id = ${sql.ref(`${table}.external_id`)} and decided.overrides ? 'unit')`
}
