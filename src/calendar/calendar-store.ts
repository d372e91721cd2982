import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely'
import type { CalendarDayRow } from '../platform/db/outbound-tables.ts'
import type { Database } from '../platform/db/tables.ts'
import { type CalendarColumn, perCalendarColumn, typedColumns } from './calendar-columns.ts'
import { type CalendarRange, toColumns } from './calendar-fields.ts'
import { type Claim, lockClaim } from './lease-store.ts'

/** A night with its desired value; `held_now`: its availability is up to Hostaway, a booking holds it. */
export type CalendarNight = CalendarDayRow & { held_now: boolean }

type ListingKey = { connectionId: string; listingId: string }

/** Whether bookings hold every unit of the listing on the night `d`. */
const heldByBookings: RawBuilder<boolean> = sql`
  (select coalesce(sum(b.unit_count), 0) from availability_blocks b
    where b.connection_id = d.connection_id and b.listing_id = d.listing_id
      and b.first_night <= d.day and b.departure > d.day)
  >= (select l.unit_count from listings l
    where l.connection_id = d.connection_id and l.listing_id = d.listing_id)`

/** The nights `d` of which something is to be told now. Availability is held back where a booking holds the night. */
export const isDue: RawBuilder<boolean> = sql`
  d.failed_kind is null and d.unverified_since is null
  and (d.rest_differs or (d.units_differ and not d.held and not ${heldByBookings}))`

/** The nights from the first to the last one that is due, from `today` on, in order. */
export async function listNightsToPush(
  db: Kysely<Database>,
  { connectionId, listingId }: ListingKey,
  today: string,
): Promise<CalendarNight[]> {
  const { rows } = await sql<CalendarNight>`
    with due as (
      select min(d.day) as first, max(d.day) as last from calendar_days d
      where d.connection_id = ${connectionId} and d.listing_id = ${listingId} and d.day >= ${today}::date
        and (d.units_differ or d.rest_differs) and ${isDue}
    )
    select d.*, (d.held or ${heldByBookings}) as held_now
    from due join calendar_days d on d.day between due.first and due.last
    where d.connection_id = ${connectionId} and d.listing_id = ${listingId}
    order by d.day
  `.execute(db)
  return rows
}

/** Which nights must be read before anything is pushed; undefined where everything is known. */
export async function findUnverified(
  db: Kysely<Database>,
  { connectionId, listingId }: ListingKey,
  today: string,
): Promise<{ from: string; to: string } | undefined> {
  const { rows } = await sql<{ from: string | null; to: string | null }>`
    select min(day) as from, max(day) as to from calendar_days
    where connection_id = ${connectionId} and listing_id = ${listingId}
      and unverified_since is not null and failed_kind is null and day >= ${today}::date
  `.execute(db)
  const { from, to } = rows[0] ?? {}
  return from == null || to == null ? undefined : { from, to }
}

/** The last night with a desired value; undefined where there is none from `today` on. */
export async function lastDesiredDay(
  db: Kysely<Database>,
  { connectionId, listingId }: ListingKey,
  today: string,
): Promise<string | undefined> {
  const { rows } = await sql<{ last: string | null }>`
    select max(day) as last from calendar_days
    where connection_id = ${connectionId} and listing_id = ${listingId} and day >= ${today}::date
  `.execute(db)
  return rows[0]?.last ?? undefined
}

/**
 * Writes down exactly what Hostaway has accepted, and that the call has ended. A night of which doubts arose meanwhile
 * keeps them. Throws LeaseLost.
 */
export async function markPushed(db: Kysely<Database>, claim: Claim, sent: CalendarRange[]): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await lockClaim(trx, claim)
    await sql`
      update calendar_days d set ${perCalendarColumn(toldOrBefore)}
      from jsonb_to_recordset(${toRows(sent)}::jsonb) as sent (from_day date, to_day date, ${typedColumns})
      where d.connection_id = ${claim.connectionId} and d.listing_id = ${claim.listingId}
        and d.day between sent.from_day and sent.to_day and d.unverified_since is null
    `.execute(trx)
    await sql`
      update listing_pushes
      set sending_from = null, sending_to = null, sending_until = null, last_pushed_at = clock_timestamp()
      where connection_id = ${claim.connectionId} and listing_id = ${claim.listingId}
    `.execute(trx)
  })
}

/** Sets nights aside until their desired value changes or somebody replays them; the caller opens the dead letter. */
export async function deadLetterNights(
  trx: Transaction<Database>,
  { connectionId, listingId }: ListingKey,
  nights: { from: string; to: string },
  kind: string,
): Promise<void> {
  await sql`
    update calendar_days set failed_kind = ${kind}
    where connection_id = ${connectionId} and listing_id = ${listingId}
      and day between ${nights.from}::date and ${nights.to}::date
      and (units_differ or rest_differs or unverified_since is not null)
  `.execute(trx)
}

/**
 * Sets aside the nights of which Hostaway has refused these values, and names them; one of which something else is
 * desired by now is left alone, as nobody has refused that.
 */
export async function deadLetterRefusedNights(
  trx: Transaction<Database>,
  { connectionId, listingId }: ListingKey,
  refused: CalendarRange,
  kind: string,
): Promise<string[]> {
  const isStillDesired = (name: CalendarColumn) => {
    const desired = sql.ref(`d.desired_${name}`)
    return sql`${desired} is not distinct from coalesce(${sql.ref(`refused.${name}`)}, ${desired})`
  }
  const { rows } = await sql<{ day: string }>`
    update calendar_days d set failed_kind = ${kind}
    from jsonb_to_recordset(${toRows([refused])}::jsonb) as refused (from_day date, to_day date, ${typedColumns})
    where d.connection_id = ${connectionId} and d.listing_id = ${listingId}
      and d.day between refused.from_day and refused.to_day
      and (d.units_differ or d.rest_differs or d.unverified_since is not null)
      and ${perCalendarColumn(isStillDesired, sql` and `)}
    returning d.day
  `.execute(trx)
  return rows.map(({ day }) => day)
}

function toldOrBefore(name: CalendarColumn): RawBuilder<unknown> {
  const told = sql.ref(`sent.${name}`)
  const column = `pushed_${name}`
  return sql`${sql.ref(column)} = coalesce(${name === 'price' ? sql`trim_scale(${told})` : told}, ${sql.ref(`d.${column}`)})`
}

function toRows(ranges: CalendarRange[]): string {
  return JSON.stringify(
    ranges.map(({ from, to, values }) => ({
      from_day: from,
      to_day: to,
      ...toColumns(values),
    })),
  )
}
