import { type Kysely, sql } from 'kysely'

/** One set of lease columns for pushes of listings, pushes of bookings and polling. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- A call that may still take effect holds up a listing like its rest and its back-off do.
    alter table listing_pushes
      drop column due_at,
      add column due_at timestamptz generated always as (case
        when coalesce(availability_due_at, price_due_at, details_due_at, check_due_at) is not null
        then greatest(least(availability_due_at, price_due_at, details_due_at, check_due_at), not_before,
          sending_until)
        end) stored,
      add column claimed_at timestamptz not null default 'epoch';
    create index listing_pushes_most_urgent on listing_pushes (connection_id, urgency, waiting_since)
      where due_at is not null;
    create index listing_pushes_due on listing_pushes (due_at) where due_at is not null;

    drop index booking_pushes_due;
    alter table booking_pushes rename column due_at to waiting_since;
    alter table booking_pushes
      add column due_at timestamptz generated always as (case
        when waiting_since is not null and failed_kind is null
        then greatest(waiting_since, not_before, sending_until) end) stored,
      add column claimed_at timestamptz not null default 'epoch';
    create index booking_pushes_waiting on booking_pushes (connection_id, waiting_since) where due_at is not null;

    alter table history_turns rename to polling_leases;
    alter table polling_leases rename column last_turn_at to claimed_at;
    alter index history_turns_pkey rename to polling_leases_pkey;
    alter index history_turns_waiting rename to polling_leases_waiting;
  `.execute(db)
}
