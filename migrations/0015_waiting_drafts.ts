import { type Kysely, sql } from 'kysely'

/**
 * A body that stood in for the channel's may also wait in the queue. There it would win over the draft of its booking,
 * and every later change of the booking would be lost. Frozen in time.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    update hostaway_booking_queue waiting set source = '{}', field_versions = null
    from bookings
    where bookings.connection_id = waiting.connection_id and bookings.external_id = waiting.external_id
      and bookings.origin = 'tvl' and bookings.source is null
  `.execute(db)
}
