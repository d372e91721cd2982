import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely'
import type { CalendarDayRow } from '../platform/db/outbound-tables.ts'
import type { Database } from '../platform/db/tables.ts'
import {
  type CalendarColumn,
  type CalendarRange,
  type ObservedNight,
  perCalendarColumn,
  toColumns,
  typedColumns,
} from './calendar-fields.ts'
import {
  endNightSending,
  endSending,
  type ListingKey,
  type ListingLease,
  listingLeases,
} from './listing-push-store.ts'

/** A night with its desired value; `held_now`: its availability is up to the channel, a booking holds it. */
export type CalendarNight = CalendarDayRow & { held_now: boolean }

/** Whether bookings hold every unit of the listing on the night `d`. */
const heldByBookings: RawBuilder<boolean> = sql`
  (select coalesce(sum(b.unit_count), 0) from availability_blocks b
    where b.connection_id = d.connection_id and b.listing_id = d.listing_id
      and b.first_night <= d.day and b.departure > d.day)
  >= (select l.unit_count from listings l
    where l.connection_id = d.connection_id and l.listing_id = d.listing_id)`

/** The nights `d` that must be pushed now. Availability is held back where a booking holds the night. */
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

/** Which parts of a listing have a night that is due or must be read back; the caller holds its lock. */
export async function duePartsOf(
  trx: Transaction<Database>,
  { connectionId, listingId }: ListingKey,
  today: string,
): Promise<{ availability: boolean; price: boolean }> {
  const { rows } = await sql<{ availability: boolean; price: boolean }>`
    select coalesce(bool_or((d.unverified_since is not null and d.failed_kind is null)
        or (d.units_differ and ${isDue})), false) as availability,
      coalesce(bool_or(d.rest_differs and ${isDue}), false) as price
    from calendar_days d
    where d.connection_id = ${connectionId} and d.listing_id = ${listingId} and d.day >= ${today}::date
      and (d.units_differ or d.rest_differs or d.unverified_since is not null)
  `.execute(trx)
  return rows[0] ?? { availability: false, price: false }
}

/**
 * Notes exactly what the channel has accepted, and that the call has ended. A night about which doubts arose meanwhile
 * keeps them. Throws LeaseLost.
 */
export async function markPushed(
  db: Kysely<Database>,
  lease: ListingLease,
  sent: CalendarRange[],
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await listingLeases.lock(trx, lease)
    await sql`
      update calendar_days d set ${perCalendarColumn(sentOrBefore)}
      from jsonb_to_recordset(${rangesToRows(sent)}::jsonb) as sent (from_day date, to_day date, ${typedColumns})
      where d.connection_id = ${lease.connectionId} and d.listing_id = ${lease.listingId}
        and d.day between sent.from_day and sent.to_day and d.unverified_since is null
    `.execute(trx)
    await endSending(trx, lease, { isPushed: true })
  })
}

/** Marks nights as failed until their desired values change or their dead letter is replayed; the caller opens it. */
export async function markNightsFailed(
  trx: Transaction<Database>,
  { connectionId, listingId }: ListingKey,
  today: string,
  kind: string,
): Promise<void> {
  await sql`
    update calendar_days set failed_kind = ${kind}
    where connection_id = ${connectionId} and listing_id = ${listingId} and day >= ${today}::date
      and (units_differ or rest_differs or unverified_since is not null)
  `.execute(trx)
}

/**
 * Marks the night as failed whose values the channel has refused; false where other values are desired by now, which
 * nothing has refused.
 */
export async function markRefusedNightFailed(
  trx: Transaction<Database>,
  { connectionId, listingId }: ListingKey,
  refused: CalendarRange,
  kind: string,
): Promise<boolean> {
  const isStillDesired = (name: CalendarColumn) => {
    const desired = sql.ref(`d.desired_${name}`)
    return sql`${desired} is not distinct from coalesce(${sql.ref(`refused.${name}`)}, ${desired})`
  }
  const { rows } = await sql`
    update calendar_days d set failed_kind = ${kind}
    from jsonb_to_recordset(${rangesToRows([refused])}::jsonb)
      as refused (from_day date, to_day date, ${typedColumns})
    where d.connection_id = ${connectionId} and d.listing_id = ${listingId}
      and d.day between refused.from_day and refused.to_day
      and (d.units_differ or d.rest_differs or d.unverified_since is not null)
      and ${perCalendarColumn(isStillDesired, sql` and `)}
    returning 1
  `.execute(trx)
  return rows.length > 0
}

export type ReadBack = {
  from: string
  to: string
  nights: ObservedNight[]
  /** When the call began, by the database's clock: a doubt that arose later is not settled by it. */
  startedAt: Date
}

/**
 * Takes what the channel holds as what was pushed, so that exactly the differences are due. Ends a call whose outcome was
 * not known. Returns how many nights had drifted:
 * they were known to hold the desired value, and no longer do. Throws LeaseLost.
 */
export async function applyReadBack(
  db: Kysely<Database>,
  lease: ListingLease,
  readBack: ReadBack,
): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const listing = await listingLeases.lock(trx, lease)
    const { rows } = await sql<{ drifted: boolean }>`
      with seen as (
        select * from jsonb_to_recordset(${nightsToRows(readBack.nights)}::jsonb) as seen (day date, ${typedColumns})
      ), night as (
        select d.day,
          seen.day is not null and seen.units is null as held,
          seen.units,
          trim_scale(seen.price) as price, seen.min_stay, seen.max_stay,
          -- No answer about a restriction means that there is none.
          coalesce(seen.closed_on_arrival, case when d.pushed_closed_on_arrival = false then false end)
            as closed_on_arrival,
          coalesce(seen.closed_on_departure, case when d.pushed_closed_on_departure = false then false end)
            as closed_on_departure,
          coalesce(seen.note, '') as note,
          d.unverified_since is null and d.failed_kind is null
            and (d.day between ${listing.sending_from}::date and ${listing.sending_to}::date) is not true
            as was_known
        from calendar_days d left join seen on seen.day = d.day
        where d.connection_id = ${lease.connectionId} and d.listing_id = ${lease.listingId}
          and d.day between ${readBack.from}::date and ${readBack.to}::date
          and (d.unverified_since is null or d.unverified_since < ${readBack.startedAt})
        for update of d
      ), compared as (
        select night.*, (night.was_known and (${perCalendarColumn(hasDrifted, sql` or `)})) is true as drifted
        from night join calendar_days d on d.connection_id = ${lease.connectionId}
          and d.listing_id = ${lease.listingId} and d.day = night.day
      )
      update calendar_days d set
        ${perCalendarColumn(seenIfDesired)},
        held = compared.held,
        unverified_since = null,
        drifted_at = case when compared.drifted then clock_timestamp() else d.drifted_at end
      from compared
      where d.connection_id = ${lease.connectionId} and d.listing_id = ${lease.listingId}
        and d.day = compared.day
      returning compared.drifted
    `.execute(trx)
    await endNightSending(trx, lease)
    return rows.filter(({ drifted }) => drifted).length
  })
}

function seenIfDesired(name: CalendarColumn): RawBuilder<unknown> {
  const seen = sql.ref(`compared.${name}`)
  return sql`${sql.ref(`pushed_${name}`)} = case when ${sql.ref(`d.desired_${name}`)} is not null then ${seen} end`
}

// A value that was not seen, not desired or not pushed cannot be compared.
function hasDrifted(name: CalendarColumn): RawBuilder<unknown> {
  const [seen, desired, pushed] = [`night.${name}`, `d.desired_${name}`, `d.pushed_${name}`].map((column) =>
    sql.ref(column),
  )
  return sql`(${seen} <> ${desired} and ${desired} = ${pushed})`
}

function sentOrBefore(name: CalendarColumn): RawBuilder<unknown> {
  const sent = sql.ref(`sent.${name}`)
  const column = `pushed_${name}`
  return sql`${sql.ref(column)} = coalesce(${name === 'price' ? sql`trim_scale(${sent})` : sent}, ${sql.ref(`d.${column}`)})`
}

function rangesToRows(ranges: CalendarRange[]): string {
  return JSON.stringify(
    ranges.map(({ from, to, values }) => ({ from_day: from, to_day: to, ...toColumns(values) })),
  )
}

function nightsToRows(nights: ObservedNight[]): string {
  return JSON.stringify(nights.map((night) => ({ day: night.day, ...toColumns(night) })))
}
