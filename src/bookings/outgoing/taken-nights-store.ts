import { sql, type Transaction } from 'kysely'
import type { Database, ListingRow } from '../../platform/db/tables.ts'

export type TakenNight = { night: string; reason: 'booked' | 'closed' }

/**
 * The nights of a stay on which the unit has no room for one more, or is closed by a desired value; those that the booking
 * `ownId` holds already are its own. The caller holds the lock of the unit.
 */
export async function findTakenNights(
  trx: Transaction<Database>,
  stay: {
    tenantId: string
    unitId: string
    listing: ListingRow
    checkIn: string
    checkOut: string
    ownId: string | null
  },
): Promise<TakenNight[]> {
  const { listing } = stay
  const { rows } = await sql<TakenNight>`
    with touching as (
      select first_night, departure, unit_count, booking_id is not distinct from ${stay.ownId}::uuid
          and booking_id is not null as own
      from availability_blocks
      where tenant_id = ${stay.tenantId} and unit_id = ${stay.unitId}
        and departure > ${stay.checkIn}::date and first_night < ${stay.checkOut}::date
    ), night as (
      select day::date as night,
        coalesce((select sum(unit_count) from touching
          where not own and first_night <= day and departure > day), 0) as held,
        exists (select 1 from touching where own and first_night <= day and departure > day) as own
      from generate_series(${stay.checkIn}::date, ${stay.checkOut}::date - 1, interval '1 day') as day
    )
    select night.night, case when night.held >= ${listing.unit_count} then 'booked' else 'closed' end as reason
    from night
    left join calendar_days d on d.connection_id = ${listing.connection_id}
      and d.listing_id = ${listing.listing_id} and d.day = night.night
    where night.held >= ${listing.unit_count} or (d.desired_units = 0 and not night.own)
    order by night.night
  `.execute(trx)
  return rows
}
