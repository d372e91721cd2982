import { type Kysely, sql } from 'kysely'

/** Imports of what Hostaway holds already, reconciliation, and whose turn it is. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table imports (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      connection_id uuid not null references hostaway_connections (id),
      status text not null default 'running' check (status in ('running', 'completed', 'failed', 'cancelled')),
      -- Only stays that touch these days; null where there is no bound.
      stay_from date,
      stay_to date,
      listings_read boolean not null default false,
      -- The first pass reads the history, each later one what changed since the one before it began.
      pass integer not null default 0,
      walk jsonb not null,
      changed_in_pass integer not null default 0,
      page_size integer not null check (page_size > 0),
      -- Reservations of the first pass.
      total integer,
      done integer not null default 0,
      created integer not null default 0,
      updated integer not null default 0,
      unchanged integer not null default 0,
      waiting integer not null default 0,
      failed integer not null default 0,
      rows_per_second double precision,
      attempts integer not null default 0,
      last_error text,
      created_at timestamptz not null default clock_timestamp(),
      started_at timestamptz,
      page_at timestamptz,
      finished_at timestamptz,
      check (stay_from <= stay_to)
    );
    create unique index imports_one_running on imports (connection_id) where status = 'running';
    create index imports_by_connection on imports (connection_id, id);

    create table reconciles (
      connection_id uuid primary key references hostaway_connections (id),
      -- The newest change that a complete pass has seen, by Hostaway's clock.
      watermark timestamptz,
      -- How far the pass under way has come; null where none is.
      walk jsonb,
      attempts integer not null default 0,
      last_error text
    );

    -- Reservations that a person wants to be fetched once more.
    create table reservation_fetches (
      connection_id uuid not null references hostaway_connections (id),
      external_id text not null,
      tenant_id uuid not null references tenants (id),
      attempts integer not null default 0,
      requested_at timestamptz not null default clock_timestamp(),
      primary key (connection_id, external_id)
    );

    create table history_turns (
      connection_id uuid primary key references hostaway_connections (id),
      -- Since when each kind of work waits; null where none does.
      import_due_at timestamptz,
      reconcile_due_at timestamptz,
      fetch_due_at timestamptz,
      -- The rate limit or the breaker said so.
      not_before timestamptz,
      due_at timestamptz generated always as (case
        when coalesce(import_due_at, reconcile_due_at, fetch_due_at) is not null
        then greatest(least(import_due_at, reconcile_due_at, fetch_due_at), not_before) end) stored,
      last_turn_at timestamptz not null default 'epoch',
      lease_until timestamptz,
      fence bigint not null default 0
    );
    create index history_turns_waiting on history_turns (last_turn_at) where due_at is not null;
  `.execute(db)
}
