import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely'
import { discardDeadLetters } from '../dead-letters/dead-letter-store.ts'
import { earliestToday } from '../platform/db/database-time.ts'
import type { BlockRow, Database, ListingRow } from '../platform/db/tables.ts'
import { outboundQueue } from '../platform/queue/queues.ts'
import {
  type CalendarColumn,
  desiredColumns,
  desiredOfEither,
  perCalendarColumn,
  toColumns,
  typedColumns,
} from './calendar-fields.ts'
import type { DesiredUpdate, TargetListing } from './check-events.ts'
import { type ListingKey, lockListings } from './listing-push-store.ts'

/**
 * The listings behind units of a tenant, of every connection that is not disconnected; until the transaction ends none
 * of them comes to stand for another unit.
 */
export async function lockTargetListings(
  trx: Transaction<Database>,
  scope: { tenantId: string; unitIds: string[] },
): Promise<TargetListing[]> {
  const rows = await trx
    .selectFrom('listings')
    .innerJoin('hostaway_connections', 'hostaway_connections.id', 'listings.connection_id')
    .select([
      'connection_id as connectionId',
      'listing_id as listingId',
      'listings.tenant_id as tenantId',
      'unit_id as unitId',
      'unit_count as unitCount',
      'currency',
      'time_zone as timeZone',
    ])
    .where('listings.tenant_id', '=', scope.tenantId)
    .where('unit_id', '=', sql<string>`any(${scope.unitIds})`)
    .where('hostaway_connections.status', '<>', 'disconnected')
    .orderBy('connection_id')
    .orderBy('listing_id')
    .forKeyShare('listings')
    .execute()
  return rows.flatMap((row) => (row.unitId === null ? [] : [{ ...row, unitId: row.unitId }]))
}

/**
 * Writes desired values and marks their listings as waiting, in the caller's transaction. A field that is not named keeps its
 * desired value; an equal desired value changes nothing. `batchId` names the request whose events they are. Safe to repeat.
 */
export async function writeDesired(
  trx: Transaction<Database>,
  desired: DesiredUpdate[],
  { settleMs, batchId }: { settleMs: number; batchId: string },
): Promise<void> {
  const sorted = desired.toSorted((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1))
  await lockListings(
    trx,
    sorted.map(({ listing }) => listing),
  )
  await writeDays(trx, sorted, settleMs, batchId)
  for (const desired of sorted) {
    if (Object.keys(desired.details).length > 0) await writeDetails(trx, desired, settleMs)
  }
  await closeSupersededLetters(trx, sorted)
}

const asStored = (name: CalendarColumn) => (name === 'price' ? sql`trim_scale(price)` : sql.ref(name))
const saysOtherwise = (name: CalendarColumn) => {
  const [said, before] = [sql.ref(`excluded.desired_${name}`), sql.ref(`d.desired_${name}`)]
  return sql`(${said} is not null and ${said} is distinct from ${before})`
}

async function writeDays(
  trx: Transaction<Database>,
  desired: DesiredUpdate[],
  settleMs: number,
  batchId: string,
): Promise<void> {
  const ranges = desired.flatMap(({ listing, ranges }) =>
    ranges.map(({ from, to, values }) => ({
      connection_id: listing.connectionId,
      listing_id: listing.listingId,
      tenant_id: listing.tenantId,
      from_day: from,
      to_day: to,
      ...toColumns(values),
    })),
  )
  if (ranges.length === 0) return
  await sql`
    with changed as (
      insert into calendar_days as d (connection_id, listing_id, tenant_id, day, desired_batch, desired_at, ${desiredColumns})
      select connection_id, listing_id, tenant_id, from_day + nth, ${batchId}::uuid, clock_timestamp(),
        ${perCalendarColumn(asStored)}
      from jsonb_to_recordset(${JSON.stringify(ranges)}::jsonb) as desired (
        connection_id uuid, listing_id text, tenant_id uuid, from_day date, to_day date, ${typedColumns})
      cross join lateral generate_series(0, to_day - from_day) as nth
      on conflict (connection_id, listing_id, day) do update set
        ${desiredOfEither('excluded', 'd')}, failed_kind = null,
        desired_batch = excluded.desired_batch, desired_at = excluded.desired_at
      where ${perCalendarColumn(saysOtherwise, sql` or `)}
      returning d.connection_id, d.listing_id, d.units_differ, d.rest_differs
    ), listing as (
      select connection_id, listing_id, bool_or(units_differ) as units, bool_or(rest_differs) as rest
      from changed group by 1, 2
    )
    update listing_pushes p set
      availability_due_at = case when listing.units
        then coalesce(p.availability_due_at, clock_timestamp() + ${settleMs} * interval '1 millisecond')
        else p.availability_due_at end,
      price_due_at = case when listing.rest
        then coalesce(p.price_due_at, clock_timestamp() + ${settleMs} * interval '1 millisecond')
        else p.price_due_at end
    from listing where p.connection_id = listing.connection_id and p.listing_id = listing.listing_id
  `.execute(trx)
}

async function writeDetails(
  trx: Transaction<Database>,
  { listing, details }: DesiredUpdate,
  settleMs: number,
): Promise<void> {
  const changes = JSON.stringify(details)
  await sql`
    update listing_pushes set
      desired_details = desired_details || ${changes}::jsonb,
      details_failed_kind = null,
      details_due_at = case when pushed_details @> (desired_details || ${changes}::jsonb) then details_due_at
        else coalesce(details_due_at, clock_timestamp() + ${settleMs} * interval '1 millisecond') end
    where connection_id = ${listing.connectionId} and listing_id = ${listing.listingId}
      and not desired_details @> ${changes}::jsonb
  `.execute(trx)
}

// A new desired value closes the dead letter of the old one.
async function closeSupersededLetters(trx: Transaction<Database>, desired: DesiredUpdate[]): Promise<void> {
  const rows = JSON.stringify(
    desired.map(({ listing }) => ({ connection_id: listing.connectionId, listing_id: listing.listingId })),
  )
  const night = sql`select 1 from calendar_days d where d.connection_id = desired.connection_id
    and d.listing_id = desired.listing_id and d.failed_kind is not null`
  await discardDeadLetters(trx, {
    queue: outboundQueue,
    reason: 'The desired values changed',
    where: sql`exists (
      select 1 from jsonb_to_recordset(${rows}::jsonb) as desired (connection_id uuid, listing_id text)
      where letter.connection_id = desired.connection_id and letter.payload ->> 'listingId' = desired.listing_id
        and case when letter.payload ->> 'day' is not null
          then not exists (${night} and d.day = (letter.payload ->> 'day')::date)
          else not exists (${night}) and not exists (
            select 1 from listing_pushes p where p.connection_id = desired.connection_id
              and p.listing_id = desired.listing_id and p.details_failed_kind is not null) end)`,
  })
}

function keyOf({ listing }: DesiredUpdate): string {
  return `${listing.connectionId} ${listing.listingId}`
}

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
 * Restores what was desired for units of a connection while they had other listings, where nothing newer is desired; all units are all units again, and a price stays behind where the currency is another one. Safe to repeat.
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

// Joins what is parked (`kept`) with the listings that stand for its unit now.
function isParkedFor(connectionId: string, listingIds: string[]): RawBuilder<boolean> {
  return sql`listing.connection_id = ${connectionId} and listing.listing_id = any(${listingIds})
    and kept.connection_id = listing.connection_id and kept.unit_id = listing.unit_id`
}

async function restoreNights(
  trx: Transaction<Database>,
  connectionId: string,
  listingIds: string[],
): Promise<void> {
  await sql`
    with parked as (
      delete from parked_desired kept using listings listing
      where ${isParkedFor(connectionId, listingIds)}
      returning kept.*, listing.listing_id, listing.tenant_id, listing.unit_count as units_now,
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
      delete from parked_details kept using listings listing
      where ${isParkedFor(connectionId, listingIds)}
      returning kept.desired_details, listing.listing_id
    )
    update listing_pushes p set desired_details = parked.desired_details || p.desired_details
    from parked where p.connection_id = ${connectionId} and p.listing_id = parked.listing_id
  `.execute(trx)
}

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
 * Notes, in the transaction that takes reservations off the calendar, that the channel has opened their nights for sale
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

/**
 * Drops what was desired of a connection, in the transaction that connects it to another account: its listings belong
 * to the old one. Safe to repeat.
 */
export async function forgetDesired(trx: Transaction<Database>, connectionId: string): Promise<void> {
  await sql`delete from listing_pushes where connection_id = ${connectionId}`.execute(trx)
  await sql`delete from calendar_days where connection_id = ${connectionId}`.execute(trx)
  await sql`delete from parked_desired where connection_id = ${connectionId}`.execute(trx)
  await sql`delete from parked_details where connection_id = ${connectionId}`.execute(trx)
}
