import { type Kysely, sql } from 'kysely'

/** Bookings that are made and changed here, and how far along their way to Hostaway they are. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table bookings
      add column origin text not null default 'channel' check (origin in ('channel', 'tvl')),
      -- What is wished otherwise than Hostaway holds it; null where nothing ever was.
      add column wished jsonb;

    create table booking_pushes (
      booking_id uuid primary key references bookings (id),
      connection_id uuid not null references hostaway_connections (id),
      tenant_id uuid not null references tenants (id),
      -- Since when it waits; null where nothing does.
      due_at timestamptz,
      -- Back-off after a failure, or a call that may still land.
      not_before timestamptz,
      lease_until timestamptz,
      fence bigint not null default 0,
      -- A call that was begun and whose outcome is not known.
      sending text check (sending in ('create', 'change', 'cancel')),
      sending_until timestamptz,
      -- Grows with every change that is accepted, so that a refusal of an earlier one does not stop a later one.
      revision bigint not null default 0,
      attempts integer not null default 0,
      last_error text,
      failed_kind text
    );
    create index booking_pushes_due on booking_pushes (connection_id, due_at)
      where due_at is not null and failed_kind is null;

    create table booking_push_steps (
      id bigint generated always as identity primary key,
      booking_id uuid not null references bookings (id),
      step text not null check (step in ('accepted', 'pushed', 'failed')),
      detail text not null,
      at timestamptz not null default clock_timestamp()
    );
    create index booking_push_steps_by_booking on booking_push_steps (booking_id, id);
  `.execute(db)
}
