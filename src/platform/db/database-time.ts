import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Database } from './tables.ts'

/** A day that is no later than today anywhere on earth. */
export const earliestToday: RawBuilder<string> = sql`(now() at time zone 'UTC' - interval '12 hours')::date`

/** The database's clock, which stamps the receipt of webhooks: two machines' clocks would disagree about "after". */
export async function databaseTime(db: Kysely<Database>): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db)
  const now = rows[0]?.now
  if (now === undefined) throw new Error('the database did not tell the time')
  return now
}
