import { sql, type Transaction } from 'kysely'
import { earliestToday } from '../platform/db/database-time.ts'
import type { BlockRow, Database } from '../platform/db/tables.ts'

/** Nights of a listing, `departure` exclusive. */
export type Stretch = { connectionId: string; listingId: string; firstNight: string; departure: string }

/** The nights that one state of a reservation held and the next does not. Pure. */
export function releasedStretches(before: BlockRow | undefined, after: BlockRow | undefined): Stretch[] {
  if (before === undefined) return []
  const { connection_id: connectionId, listing_id: listingId } = before
  const stretch = (firstNight: string, departure: string): Stretch[] =>
    firstNight < departure ? [{ connectionId, listingId, firstNight, departure }] : []
  const holdsOn =
    after !== undefined && after.listing_id === listingId && after.unit_count >= before.unit_count
  if (!holdsOn) return stretch(before.first_night, before.departure)
  return [
    ...stretch(before.first_night, earlier(before.departure, after.first_night)),
    ...stretch(later(before.first_night, after.departure), before.departure),
  ]
}

/**
 * Notes, in the transaction that takes reservations off the calendar, that Hostaway has opened their nights for sale
 * whatever was desired: they are read back, and the desired value is pushed again. Safe to repeat.
 */
export async function noteReleasedNights(trx: Transaction<Database>, stretches: Stretch[]): Promise<void> {
  if (stretches.length === 0) return
  const rows = JSON.stringify(
    stretches.map(({ connectionId, listingId, firstNight, departure }) => ({
      connection_id: connectionId,
      listing_id: listingId,
      first_night: firstNight,
      departure,
    })),
  )
  // The listings' rows first and in order, as everywhere: a push and a desired value lock in the same order.
  const locked = await sql`
    select 1 from listing_pushes p
    where (p.connection_id, p.listing_id) in (select released.connection_id, released.listing_id
      from jsonb_to_recordset(${rows}::jsonb) as released (connection_id uuid, listing_id text))
    order by p.connection_id, p.listing_id
    for update
  `.execute(trx)
  if (locked.rows.length === 0) return
  await sql`
    with opened as (
      update calendar_days d set unverified_since = clock_timestamp()
      from jsonb_to_recordset(${rows}::jsonb)
        as released (connection_id uuid, listing_id text, first_night date, departure date)
      where d.connection_id = released.connection_id and d.listing_id = released.listing_id
        and d.day >= released.first_night and d.day < released.departure and d.desired_units is not null
        and d.day >= ${earliestToday}
      returning d.connection_id, d.listing_id
    )
    update listing_pushes p
    set availability_due_at = coalesce(p.availability_due_at, clock_timestamp())
    where (p.connection_id, p.listing_id) in (select connection_id, listing_id from opened)
  `.execute(trx)
}

function earlier(left: string, right: string): string {
  return left < right ? left : right
}

function later(left: string, right: string): string {
  return left > right ? left : right
}
