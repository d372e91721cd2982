import { type Kysely, sql } from 'kysely'

/** A webhook has ended exactly where it says when, on which its look-up by id relies. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- Not validated: reading millions of rows under a lock would hold up every webhook, and they hold it already.
    alter table webhook_logs add constraint webhook_logs_ended
      check ((status = 'received') = (processed_at is null)) not valid
  `.execute(db)
}
