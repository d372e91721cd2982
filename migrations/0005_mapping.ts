import { type Kysely, sql } from 'kysely'

/** Mappings of connections, which of them made each booking, and the work of mapping again. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- The text of the spec as it was sent: its fields keep their order.
    create table mapping_specs (
      connection_id uuid not null references hostaway_connections (id),
      version integer not null check (version > 0),
      tenant_id uuid not null references tenants (id),
      spec json not null,
      created_at timestamptz not null default now(),
      primary key (connection_id, version)
    );

    -- Version 0 is the default mapping.
    alter table hostaway_connections add column mapping_version integer not null default 0;
    alter table bookings add column mapping_version integer not null default 0;
    alter table bookings add column mapping_warnings jsonb not null default '[]';

    create table booking_remaps (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      connection_id uuid not null references hostaway_connections (id),
      mapping_version integer not null,
      status text not null default 'running' check (status in ('running', 'completed', 'cancelled')),
      -- Everything up to this reservation is done.
      after_external_id text not null default '',
      total integer not null,
      done integer not null default 0,
      changed integer not null default 0,
      waiting integer not null default 0,
      failed integer not null default 0,
      last_error text,
      created_at timestamptz not null default clock_timestamp(),
      updated_at timestamptz not null default clock_timestamp(),
      finished_at timestamptz
    );
    create unique index booking_remaps_one_running on booking_remaps (connection_id) where status = 'running';
    create index booking_remaps_by_connection on booking_remaps (connection_id, id);
    create index booking_remaps_running on booking_remaps (updated_at) where status = 'running';
  `.execute(db)
}
