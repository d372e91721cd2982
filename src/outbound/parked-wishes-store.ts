import { type Kysely, sql, type Transaction } from 'kysely'
import type { Database, ListingRow } from '../db/tables.ts'
import { outboundQueue } from '../queues.ts'

type ListingKey = { connectionId: string; listingId: string }

const earliestToday = sql`(now() at time zone 'UTC' - interval '12 hours')::date`
const values = sql`wished_units, wished_price, wished_min_stay, wished_max_stay, wished_closed_on_arrival,
  wished_closed_on_departure, wished_note`

/**
 * Takes what is wished off a listing that is to stand for another unit, in the transaction that decides so: nothing of
 * it is pushed any more, and it is kept for the unit. A push under way loses its lease; the note of its call stays, so
 * that the next one finds out what it did.
 */
export async function parkWishes(
  trx: Transaction<Database>,
  { connectionId, listingId }: ListingKey,
  { unit_id: unitId, unit_count: unitCount, currency }: ListingRow,
): Promise<void> {
  const { rows } = await sql`
    update listing_pushes set fence = fence + 1, attempts = 0, last_error = null, details_failed_kind = null,
      availability_due_at = null, price_due_at = null, details_due_at = null, check_due_at = null
    where connection_id = ${connectionId} and listing_id = ${listingId}
    returning 1
  `.execute(trx)
  if (rows.length === 0) return
  await sql`
    insert into parked_wishes (connection_id, unit_id, day, unit_count, currency, ${values})
    select connection_id, ${unitId}, day, ${unitCount}, ${currency}, ${values}
    from calendar_days
    where connection_id = ${connectionId} and listing_id = ${listingId} and day >= ${earliestToday}
    on conflict (connection_id, unit_id, day) do update set
      unit_count = excluded.unit_count, currency = excluded.currency,
      wished_units = coalesce(excluded.wished_units, parked_wishes.wished_units),
      wished_price = coalesce(excluded.wished_price, parked_wishes.wished_price),
      wished_min_stay = coalesce(excluded.wished_min_stay, parked_wishes.wished_min_stay),
      wished_max_stay = coalesce(excluded.wished_max_stay, parked_wishes.wished_max_stay),
      wished_closed_on_arrival = coalesce(excluded.wished_closed_on_arrival, parked_wishes.wished_closed_on_arrival),
      wished_closed_on_departure = coalesce(excluded.wished_closed_on_departure, parked_wishes.wished_closed_on_departure),
      wished_note = coalesce(excluded.wished_note, parked_wishes.wished_note)
  `.execute(trx)
  await sql`
    insert into parked_details (connection_id, unit_id, wished_details)
    select connection_id, ${unitId}, wished_details from listing_pushes
    where connection_id = ${connectionId} and listing_id = ${listingId} and wished_details <> '{}'
    on conflict (connection_id, unit_id) do update set wished_details = excluded.wished_details
  `.execute(trx)
  await sql`
    delete from calendar_days where connection_id = ${connectionId} and listing_id = ${listingId}
  `.execute(trx)
  await sql`
    update listing_pushes set wished_details = '{}', pushed_details = '{}'
    where connection_id = ${connectionId} and listing_id = ${listingId}
  `.execute(trx)
  await sql`
    update dead_letter_queue
    set status = 'discarded', discarded_at = now(), discard_reason = 'The listing stands for another unit since'
    where status = 'open' and queue = ${outboundQueue} and connection_id = ${connectionId}
      and payload ->> 'listingId' = ${listingId}
  `.execute(trx)
}

/**
 * Wishes once more what was wished for units of a connection while they had other listings, where nothing newer is
 * wished; all units are all units again, and a price stays behind where the currency is another one. Safe to repeat.
 */
export async function restoreWishes(db: Kysely<Database>, connectionId: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ listing_id: string }>`
      select listing.listing_id from listings listing
      where listing.connection_id = ${connectionId} and (
        exists (select from parked_wishes parked
          where parked.connection_id = listing.connection_id and parked.unit_id = listing.unit_id)
        or exists (select from parked_details parked
          where parked.connection_id = listing.connection_id and parked.unit_id = listing.unit_id))
      order by listing.listing_id
      for key share of listing
    `.execute(trx)
    const listingIds = rows.map(({ listing_id }) => listing_id)
    if (listingIds.length === 0) return
    await sql`
      insert into listing_pushes (connection_id, listing_id, tenant_id)
      select connection_id, listing_id, tenant_id from listings
      where connection_id = ${connectionId} and listing_id = any(${listingIds})
      on conflict do nothing
    `.execute(trx)
    await sql`
      select 1 from listing_pushes where connection_id = ${connectionId} and listing_id = any(${listingIds})
      order by listing_id for update
    `.execute(trx)
    await restoreNights(trx, connectionId, listingIds)
    await restoreDetails(trx, connectionId, listingIds)
  })
}

async function restoreNights(
  trx: Transaction<Database>,
  connectionId: string,
  listingIds: string[],
): Promise<void> {
  await sql`
    with parked as (
      delete from parked_wishes using listings listing
      where listing.connection_id = ${connectionId} and listing.listing_id = any(${listingIds})
        and parked_wishes.connection_id = listing.connection_id and parked_wishes.unit_id = listing.unit_id
      returning parked_wishes.*, listing.listing_id, listing.tenant_id, listing.unit_count as units_now,
        listing.currency as currency_now
    )
    insert into calendar_days as d (connection_id, listing_id, tenant_id, day, ${values})
    select connection_id, listing_id, tenant_id, day,
      case when wished_units >= unit_count then units_now else least(wished_units, units_now) end,
      case when currency is not distinct from currency_now then wished_price end,
      wished_min_stay, wished_max_stay, wished_closed_on_arrival, wished_closed_on_departure, wished_note
    from parked where day >= ${earliestToday}
    on conflict (connection_id, listing_id, day) do update set
      wished_units = coalesce(d.wished_units, excluded.wished_units),
      wished_price = coalesce(d.wished_price, excluded.wished_price),
      wished_min_stay = coalesce(d.wished_min_stay, excluded.wished_min_stay),
      wished_max_stay = coalesce(d.wished_max_stay, excluded.wished_max_stay),
      wished_closed_on_arrival = coalesce(d.wished_closed_on_arrival, excluded.wished_closed_on_arrival),
      wished_closed_on_departure = coalesce(d.wished_closed_on_departure, excluded.wished_closed_on_departure),
      wished_note = coalesce(d.wished_note, excluded.wished_note)
  `.execute(trx)
}

async function restoreDetails(
  trx: Transaction<Database>,
  connectionId: string,
  listingIds: string[],
): Promise<void> {
  await sql`
    with parked as (
      delete from parked_details using listings listing
      where listing.connection_id = ${connectionId} and listing.listing_id = any(${listingIds})
        and parked_details.connection_id = listing.connection_id and parked_details.unit_id = listing.unit_id
      returning parked_details.wished_details, listing.listing_id
    )
    update listing_pushes p set wished_details = parked.wished_details || p.wished_details
    from parked where p.connection_id = ${connectionId} and p.listing_id = parked.listing_id
  `.execute(trx)
}
