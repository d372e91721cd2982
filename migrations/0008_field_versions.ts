import { type Kysely, sql } from 'kysely'

/** Which fields of a stored reservation are not of the version that its row names. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table bookings add column field_versions jsonb;
    alter table hostaway_booking_queue add column field_versions jsonb;
  `.execute(db)
}
