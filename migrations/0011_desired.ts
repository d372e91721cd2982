import { type Kysely, sql } from 'kysely'

const fields = ['units', 'price', 'min_stay', 'max_stay', 'closed_on_arrival', 'closed_on_departure', 'note']

/** What TVL wants of Hostaway is called desired everywhere, as in the API. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table parked_wishes rename to parked_desired`.execute(db)
  for (const table of ['calendar_days', 'parked_desired']) {
    for (const field of fields) await rename(db, table, `wished_${field}`, `desired_${field}`)
  }
  for (const table of ['listing_pushes', 'parked_details']) {
    await rename(db, table, 'wished_details', 'desired_details')
  }
  await rename(db, 'bookings', 'wished', 'desired')
}

async function rename(db: Kysely<unknown>, table: string, from: string, to: string): Promise<void> {
  await sql`alter table ${sql.table(table)} rename column ${sql.ref(from)} to ${sql.ref(to)}`.execute(db)
}
