import { type Kysely, sql } from 'kysely'

/** Who waits for a place in the window of an address, and since when, so that accounts take turns. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- Unlogged: after a crash everybody queues up anew.
    create unlogged table hostaway_call_waiters (
      egress_id text not null,
      account_id text not null,
      urgency text not null check (urgency in ('urgent', 'normal', 'bulk')),
      since timestamptz not null,
      expected_at timestamptz not null,
      primary key (egress_id, account_id, urgency)
    )
  `.execute(db)
}
