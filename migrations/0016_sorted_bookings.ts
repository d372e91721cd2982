import { type Kysely, sql } from 'kysely'

/** Bookings by arrival, by last change and by confirmation code. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create index bookings_by_arrival on bookings (tenant_id, (coalesce(check_in, 'infinity'::date)), id)
  `.execute(db)
  await sql`drop index bookings_by_change`.execute(db)
  await sql`create index bookings_by_change on bookings (tenant_id, updated_at, id)`.execute(db)
  await sql`
    create index bookings_by_code on bookings (tenant_id, lower(confirmation_code))
    where confirmation_code is not null
  `.execute(db)
}
