import { type Kysely, sql } from 'kysely'

/** What people decide: about reservations that wait, and about the units that listings stand for. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table hostaway_booking_queue
      -- What a person said where Hostaway says nothing or something else.
      add column overrides jsonb not null default '{}',
      add column decided_at timestamptz,
      add column decided_by text,
      add column rejection_reason text;
    create index hostaway_booking_queue_undecided
      on hostaway_booking_queue (connection_id, listing_id)
      where status in ('pending', 'mapped', 'failed', 'rejected');

    -- A unit that a person chose, or took away, is not assigned by itself any more.
    alter table listings add column unit_set_by_hand boolean not null default false;

    -- What was wished for a unit while it had another listing; it comes back when somebody asks for it.
    create table parked_wishes (
      connection_id uuid not null references hostaway_connections (id),
      unit_id text not null,
      day date not null,
      wished_units integer,
      -- How many units there were then: all of them are all of them again.
      unit_count integer not null,
      wished_price numeric,
      currency text,
      wished_min_stay integer,
      wished_max_stay integer,
      wished_closed_on_arrival boolean,
      wished_closed_on_departure boolean,
      wished_note text,
      primary key (connection_id, unit_id, day)
    );
    create table parked_details (
      connection_id uuid not null references hostaway_connections (id),
      unit_id text not null,
      wished_details jsonb not null,
      primary key (connection_id, unit_id)
    );
  `.execute(db)
}
