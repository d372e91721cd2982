import { type Kysely, sql } from 'kysely'
import type { Database } from './tables.ts'

/** Runs work in at most one process at a time; resolves to undefined where another process has the lock. */
export async function withLeaderLock<Result>(
  db: Kysely<Database>,
  name: string,
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  return db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ locked: boolean }>`
      select pg_try_advisory_xact_lock(hashtextextended(${`leader:${name}`}, 0)) as locked
    `.execute(trx)
    return rows[0]?.locked === true ? work() : undefined
  })
}

/** Resolves when the database answers. */
export async function pingDatabase(db: Kysely<Database>): Promise<void> {
  await sql`select 1`.execute(db)
}
