import { type Kysely, sql } from 'kysely'
import type { Database } from '../../src/platform/db/tables.ts'

/** Holds an advisory lock of the product, by its name, while `during` runs; gives what that gives. */
export async function holdingLock<T>(
  db: Kysely<Database>,
  name: string,
  during: () => Promise<T>,
): Promise<T> {
  return db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(trx)
    return during()
  })
}

/** How many wait for an advisory lock in this database. */
export async function waitingForLocks(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ waiting: string }>`
    select count(*) as waiting from pg_locks
    where locktype = 'advisory' and not granted
      and database = (select oid from pg_database where datname = current_database())
  `.execute(db)
  return Number(rows[0]?.waiting)
}
