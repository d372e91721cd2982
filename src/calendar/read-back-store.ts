import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import { type CalendarColumn, perCalendarColumn, typedColumns } from './calendar-columns.ts'
import { type Claim, lockClaim } from './lease-store.ts'

/** A night as Hostaway showed it; `units` null where a booking holds it, so that it says nothing about the desired value. */
export type ObservedNight = {
  day: string
  units: number | null
  price: string | null
  minStay: number | null
  maxStay: number | null
  closedOnArrival: boolean | null
  closedOnDeparture: boolean | null
  note: string | null
}

export type ReadBack = {
  from: string
  to: string
  nights: ObservedNight[]
  /** When the call began, by the database's clock: a doubt that arose later is not settled by it. */
  startedAt: Date
}

/**
 * Takes what Hostaway holds as what was pushed, so that exactly the differences are due. Ends a call whose outcome was
 * not known. Returns how many nights had drifted: they were known to hold the desired value, and do not any more. Throws LeaseLost.
 */
export async function applyReadBack(db: Kysely<Database>, claim: Claim, readBack: ReadBack): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const listing = await lockClaim(trx, claim)
    const { rows } = await sql<{ drifted: boolean }>`
      with seen as (
        select * from jsonb_to_recordset(${toRows(readBack.nights)}::jsonb) as seen (day date, ${typedColumns})
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
        where d.connection_id = ${claim.connectionId} and d.listing_id = ${claim.listingId}
          and d.day between ${readBack.from}::date and ${readBack.to}::date
          and (d.unverified_since is null or d.unverified_since < ${readBack.startedAt})
        for update of d
      ), compared as (
        select night.*, (night.was_known and (${perCalendarColumn(hasDrifted, sql` or `)})) is true as drifted
        from night join calendar_days d on d.connection_id = ${claim.connectionId}
          and d.listing_id = ${claim.listingId} and d.day = night.day
      )
      update calendar_days d set
        ${perCalendarColumn(seenIfDesired)},
        held = compared.held,
        unverified_since = null,
        drifted_at = case when compared.drifted then clock_timestamp() else d.drifted_at end
      from compared
      where d.connection_id = ${claim.connectionId} and d.listing_id = ${claim.listingId}
        and d.day = compared.day
      returning compared.drifted
    `.execute(trx)
    await sql`
      update listing_pushes set
        sending_from = null, sending_to = null, sending_until = null
      where connection_id = ${claim.connectionId} and listing_id = ${claim.listingId}
    `.execute(trx)
    return rows.filter(({ drifted }) => drifted).length
  })
}

function seenIfDesired(name: CalendarColumn): RawBuilder<unknown> {
  const seen = sql.ref(`compared.${name}`)
  return sql`${sql.ref(`pushed_${name}`)} = case when ${sql.ref(`d.desired_${name}`)} is not null then ${seen} end`
}

// Where nothing was seen, desired or told, there is nothing to compare.
function hasDrifted(name: CalendarColumn): RawBuilder<unknown> {
  const [seen, desired, pushed] = [`night.${name}`, `d.desired_${name}`, `d.pushed_${name}`].map((column) =>
    sql.ref(column),
  )
  return sql`(${seen} <> ${desired} and ${desired} = ${pushed})`
}

function toRows(nights: ObservedNight[]): string {
  return JSON.stringify(
    nights.map((night) => ({
      day: night.day,
      units: night.units,
      price: night.price,
      min_stay: night.minStay,
      max_stay: night.maxStay,
      closed_on_arrival: night.closedOnArrival,
      closed_on_departure: night.closedOnDeparture,
      note: night.note,
    })),
  )
}
