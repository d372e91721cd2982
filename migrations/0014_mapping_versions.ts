import { type Kysely, sql } from 'kysely'

/** The newest version of a mapping is the one in force, so connections need not name it. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table hostaway_connections drop column mapping_version`.execute(db)
}
