import { type Kysely, sql } from 'kysely'
import type { Database } from '../db/tables.ts'
import { type Claim, lockClaim } from './lease-store.ts'

/** A night as Hostaway showed it; `units` null where a booking holds it, so that it says nothing about the wish. */
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
 * not known. Returns how many nights had drifted: they were known to hold the wish, and do not any more. Throws LeaseLost.
 */
export async function applyReadBack(db: Kysely<Database>, claim: Claim, readBack: ReadBack): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const listing = await lockClaim(trx, claim)
    const { rows } = await sql<{ drifted: boolean }>`
      with seen as (
        select * from jsonb_to_recordset(${toRows(readBack.nights)}::jsonb) as seen (day date, units integer,
          price numeric, min_stay integer, max_stay integer, closed_on_arrival boolean,
          closed_on_departure boolean, note text)
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
        select night.*, night.was_known and (
          (night.units is not null and night.units <> d.wished_units and d.wished_units = d.pushed_units)
          or (night.price <> d.wished_price and d.wished_price = d.pushed_price)
          or (night.min_stay <> d.wished_min_stay and d.wished_min_stay = d.pushed_min_stay)
          or (night.max_stay <> d.wished_max_stay and d.wished_max_stay = d.pushed_max_stay)
          or (night.closed_on_arrival <> d.wished_closed_on_arrival
            and d.wished_closed_on_arrival = d.pushed_closed_on_arrival)
          or (night.closed_on_departure <> d.wished_closed_on_departure
            and d.wished_closed_on_departure = d.pushed_closed_on_departure)
          or (night.note <> d.wished_note and d.wished_note = d.pushed_note)) is true as drifted
        from night join calendar_days d on d.connection_id = ${claim.connectionId}
          and d.listing_id = ${claim.listingId} and d.day = night.day
      )
      update calendar_days d set
        pushed_units = case when d.wished_units is not null then compared.units end,
        pushed_price = case when d.wished_price is not null then compared.price end,
        pushed_min_stay = case when d.wished_min_stay is not null then compared.min_stay end,
        pushed_max_stay = case when d.wished_max_stay is not null then compared.max_stay end,
        pushed_closed_on_arrival =
          case when d.wished_closed_on_arrival is not null then compared.closed_on_arrival end,
        pushed_closed_on_departure =
          case when d.wished_closed_on_departure is not null then compared.closed_on_departure end,
        pushed_note = case when d.wished_note is not null then compared.note end,
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
