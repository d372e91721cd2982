import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely'
import { discardDeadLetters } from '../dead-letters/dead-letter-store.ts'
import { earliestToday } from '../platform/db/database-time.ts'
import type { Database, ListingRow } from '../platform/db/tables.ts'
import { outboundQueue } from '../platform/queue/queues.ts'
import {
  type CalendarColumn,
  desiredColumns,
  desiredOfEither,
  perCalendarColumn,
} from './calendar-columns.ts'
import { lockListings } from './lease-store.ts'

type ListingKey = { connectionId: string; listingId: string }

/**
 * Takes what is desired off a listing that is to stand for another unit, in the transaction that decides so: nothing of
 * it is pushed any more, and it is kept for the unit. A push under way loses its lease; the note of its call stays, so
 * that the next one finds out what it did.
 */
export async function parkDesired(
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
    insert into parked_desired (connection_id, unit_id, day, unit_count, currency, ${desiredColumns})
    select connection_id, ${unitId}, day, ${unitCount}, ${currency}, ${desiredColumns}
    from calendar_days
    where connection_id = ${connectionId} and listing_id = ${listingId} and day >= ${earliestToday}
    on conflict (connection_id, unit_id, day) do update set
      unit_count = excluded.unit_count, currency = excluded.currency,
      ${desiredOfEither('excluded', 'parked_desired')}
  `.execute(trx)
  await sql`
    insert into parked_details (connection_id, unit_id, desired_details)
    select connection_id, ${unitId}, desired_details from listing_pushes
    where connection_id = ${connectionId} and listing_id = ${listingId} and desired_details <> '{}'
    on conflict (connection_id, unit_id) do update set desired_details = excluded.desired_details
  `.execute(trx)
  await sql`
    delete from calendar_days where connection_id = ${connectionId} and listing_id = ${listingId}
  `.execute(trx)
  await sql`
    update listing_pushes set desired_details = '{}', pushed_details = '{}'
    where connection_id = ${connectionId} and listing_id = ${listingId}
  `.execute(trx)
  await discardDeadLetters(trx, {
    queue: outboundQueue,
    reason: 'The listing stands for another unit now',
    where: sql`letter.connection_id = ${connectionId} and letter.payload ->> 'listingId' = ${listingId}`,
  })
}

/**
 * Desired values once more what was desired for units of a connection while they had other listings, where nothing newer is
 * desired; all units are all units again, and a price stays behind where the currency is another one. Safe to repeat.
 */
export async function restoreDesired(db: Kysely<Database>, connectionId: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const { rows } = await sql<ListingKey & { tenantId: string }>`
      select listing.connection_id as "connectionId", listing.listing_id as "listingId",
        listing.tenant_id as "tenantId"
      from listings listing
      where listing.connection_id = ${connectionId} and (
        exists (select from parked_desired parked
          where parked.connection_id = listing.connection_id and parked.unit_id = listing.unit_id)
        or exists (select from parked_details parked
          where parked.connection_id = listing.connection_id and parked.unit_id = listing.unit_id))
      order by listing.listing_id
      for key share of listing
    `.execute(trx)
    if (rows.length === 0) return
    await lockListings(trx, rows)
    const listingIds = rows.map(({ listingId }) => listingId)
    await restoreNights(trx, connectionId, listingIds)
    await restoreDetails(trx, connectionId, listingIds)
  })
}

// Another listing may have more or fewer units, and another currency.
const inListing: Partial<Record<CalendarColumn, RawBuilder<unknown>>> = {
  units: sql`case when desired_units >= unit_count then units_now else least(desired_units, units_now) end`,
  price: sql`case when currency is not distinct from currency_now then desired_price end`,
}

async function restoreNights(
  trx: Transaction<Database>,
  connectionId: string,
  listingIds: string[],
): Promise<void> {
  await sql`
    with parked as (
      delete from parked_desired using listings listing
      where listing.connection_id = ${connectionId} and listing.listing_id = any(${listingIds})
        and parked_desired.connection_id = listing.connection_id and parked_desired.unit_id = listing.unit_id
      returning parked_desired.*, listing.listing_id, listing.tenant_id, listing.unit_count as units_now,
        listing.currency as currency_now
    )
    insert into calendar_days as d (connection_id, listing_id, tenant_id, day, ${desiredColumns})
    select connection_id, listing_id, tenant_id, day, ${perCalendarColumn((name) => inListing[name] ?? sql.ref(`desired_${name}`))}
    from parked where day >= ${earliestToday}
    on conflict (connection_id, listing_id, day) do update set ${desiredOfEither('d', 'excluded')}
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
      returning parked_details.desired_details, listing.listing_id
    )
    update listing_pushes p set desired_details = parked.desired_details || p.desired_details
    from parked where p.connection_id = ${connectionId} and p.listing_id = parked.listing_id
  `.execute(trx)
}
