import { type Kysely, sql } from 'kysely'
import type { Database } from '../platform/db/tables.ts'

type ConflictParty = {
  bookingId: string
  connectionId: string
  externalId: string
  listingId: string
  checkIn: string
  checkOut: string
  guestName: string | null
  channelName: string | null
  confirmationCode: string | null
}

export type Conflict = {
  unitId: string
  units: number
  firstNight: string
  departure: string
  bookings: ConflictParty[]
  /** Where the pair stands in the list. */
  position: string
}

export type ConflictFilter = {
  tenantId: string
  /** One of the two bookings belongs to it. */
  connectionId: string | undefined
  unitId: string | undefined
  /** Only nights from this day on. */
  from: string
  after: string | undefined
  limit: number
}

const party = (block: 'one' | 'other', booking: 'b1' | 'b2') => sql`json_build_object(
  'bookingId', ${sql.ref(`${booking}.id`)}, 'connectionId', ${sql.ref(`${block}.connection_id`)},
  'externalId', ${sql.ref(`${block}.external_id`)}, 'listingId', ${sql.ref(`${block}.listing_id`)},
  'checkIn', ${sql.ref(`${block}.first_night`)}, 'checkOut', ${sql.ref(`${block}.departure`)},
  'guestName', ${sql.ref(`${booking}.guest_name`)}, 'channelName', ${sql.ref(`${booking}.channel_name`)},
  'confirmationCode', ${sql.ref(`${booking}.confirmation_code`)})`

/**
 * Pairs of confirmed bookings that hold a night of a unit together on which more is held than there is, one more than
 * `limit`. The most is held at the start of some block, so only these nights are looked at.
 */
export async function listConflicts(db: Kysely<Database>, filter: ConflictFilter): Promise<Conflict[]> {
  const { tenantId, from, limit } = filter
  const after = filter.after ?? ''
  const { rows } = await sql<Conflict>`
    with pair as (
      select one.unit_id as "unitId", greatest(one.first_night, other.first_night) as first_night,
        least(one.departure, other.departure) as departure,
        json_build_array(${party('one', 'b1')}, ${party('other', 'b2')}) as bookings,
        one.booking_id as one_id, other.booking_id as other_id,
        coalesce((select max(l.unit_count) from listings l
          where l.tenant_id = one.tenant_id and l.unit_id = one.unit_id), 1) as units
      from availability_blocks one
      join availability_blocks other on other.tenant_id = one.tenant_id and other.unit_id = one.unit_id
        and other.confirmed and other.booking_id > one.booking_id
        and other.first_night < one.departure and other.departure > one.first_night
        and other.departure > ${from}::date
      join bookings b1 on b1.id = one.booking_id
      join bookings b2 on b2.id = other.booking_id
      where one.tenant_id = ${tenantId} and one.confirmed and one.departure > ${from}::date
        and (${filter.unitId ?? null}::text is null or one.unit_id = ${filter.unitId ?? null}::text)
        and (${filter.connectionId ?? null}::uuid is null
          or ${filter.connectionId ?? null}::uuid in (one.connection_id, other.connection_id))
    ), placed as (
      select pair.*, first_night::text || ' ' || one_id || ' ' || other_id as position from pair
    )
    select "unitId", units, first_night::text as "firstNight", departure::text as departure, bookings, position
    from placed
    where departure > ${from}::date and position > ${after}
      and exists (
        select 1 from availability_blocks start
        where start.tenant_id = ${tenantId} and start.unit_id = placed."unitId" and start.confirmed
          and start.departure > placed.first_night and start.first_night < placed.departure
          and (
            select sum(held.unit_count) from availability_blocks held
            where held.tenant_id = ${tenantId} and held.unit_id = placed."unitId" and held.confirmed
              and held.first_night <= greatest(start.first_night, placed.first_night)
              and held.departure > greatest(start.first_night, placed.first_night)
          ) > placed.units)
    order by position limit ${limit + 1}
  `.execute(db)
  return rows
}
