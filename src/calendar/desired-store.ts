import { sql, type Transaction } from 'kysely'
import { discardDeadLetters } from '../dead-letters/dead-letter-store.ts'
import type { Database } from '../platform/db/tables.ts'
import { outboundQueue } from '../platform/queue/queues.ts'
import {
  type CalendarColumn,
  desiredColumns,
  desiredOfEither,
  perCalendarColumn,
  typedColumns,
} from './calendar-columns.ts'
import { toColumns } from './calendar-fields.ts'
import type { DesiredUpdate, TargetListing } from './check-events.ts'
import { lockListings } from './lease-store.ts'

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
 * desired value; a desired value that says what is desired already changes nothing. Safe to repeat.
 */
export async function writeDesired(
  trx: Transaction<Database>,
  desired: DesiredUpdate[],
  settleMs: number,
): Promise<void> {
  const sorted = desired.toSorted((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1))
  await lockListings(
    trx,
    sorted.map(({ listing }) => listing),
  )
  await writeDays(trx, sorted, settleMs)
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
      insert into calendar_days as d (connection_id, listing_id, tenant_id, day, ${desiredColumns})
      select connection_id, listing_id, tenant_id, from_day + nth, ${perCalendarColumn(asStored)}
      from jsonb_to_recordset(${JSON.stringify(ranges)}::jsonb) as desired (
        connection_id uuid, listing_id text, tenant_id uuid, from_day date, to_day date, ${typedColumns})
      cross join lateral generate_series(0, to_day - from_day) as nth
      on conflict (connection_id, listing_id, day) do update set
        ${desiredOfEither('excluded', 'd')}, failed_kind = null
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
