import { type Kysely, sql } from 'kysely'

/** Tenants, connections and everything that a webhook becomes. Frozen in time: imports nothing of the application. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table tenants (
      id uuid primary key,
      slug text not null unique,
      name text not null,
      created_at timestamptz not null default now()
    );

    create table api_tokens (
      id uuid primary key,
      tenant_id uuid references tenants (id),
      role text not null check (role in ('admin', 'owner', 'manager', 'viewer', 'service')),
      name text not null,
      token_hash bytea not null unique,
      created_at timestamptz not null default now(),
      revoked_at timestamptz,
      check ((role = 'admin') = (tenant_id is null))
    );

    create table hostaway_connections (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      channel text not null,
      account_id text not null,
      status text not null check (status in ('connecting', 'active', 'paused', 'needs_reauth', 'disconnected')),
      status_reason text,
      auto_import boolean not null,
      auto_map_listings boolean not null,
      alerting_email_address text,
      webhook_auth text not null check (webhook_auth in ('basic', 'hmac', 'basic+hmac')),
      webhook_external_id text,
      webhook_url text not null,
      webhook_login_sealed text,
      webhook_password_sealed text,
      webhook_hmac_secret_sealed text,
      api_key_sealed text,
      key_set_at timestamptz not null,
      access_token_sealed text,
      access_token_usable_at timestamptz,
      access_token_expires_at timestamptz,
      last_sync_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      unique (tenant_id, channel)
    );
    create unique index hostaway_connections_one_tenant_per_account
      on hostaway_connections (channel, account_id) where status <> 'disconnected';

    create table listings (
      connection_id uuid not null references hostaway_connections (id),
      listing_id text not null,
      tenant_id uuid not null references tenants (id),
      unit_id text,
      name text not null,
      currency text,
      time_zone text,
      unit_count integer not null default 1 check (unit_count > 0),
      commission_rate numeric,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      primary key (connection_id, listing_id),
      constraint listings_one_per_unit unique (connection_id, unit_id)
    );
    create index listings_by_unit on listings (tenant_id, unit_id);

    -- Rows refer to a connection without a foreign key: every accepted webhook passes here, connections are
    -- never deleted, and the check would lock the connection's row once per insert.
    create table webhook_logs (
      id uuid primary key,
      tenant_id uuid not null,
      connection_id uuid not null,
      event_type text not null,
      source_event text,
      external_id text,
      body text not null,
      status text not null default 'received'
        check (status in ('received', 'processed', 'queued', 'ignored', 'failed')),
      outcome text,
      received_at timestamptz not null default clock_timestamp(),
      enqueued_at timestamptz,
      processed_at timestamptz
    );
    -- Every accepted webhook pays for each of these twice, when it is stored and when it ends.
    create index webhook_logs_unprocessed on webhook_logs (received_at) where status = 'received';
    create index webhook_logs_by_tenant on webhook_logs (tenant_id, id);
    create index webhook_logs_by_reservation on webhook_logs (external_id, connection_id, id);
    create index webhook_logs_left_over on webhook_logs (tenant_id, status, id) where status in ('queued', 'failed');

    create table bookings (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      connection_id uuid not null references hostaway_connections (id),
      channel text not null,
      external_id text not null,
      listing_id text not null,
      unit_id text not null,
      status text not null check (status in ('confirmed', 'pending', 'cancelled', 'inquiry')),
      source_status text not null,
      check_in date,
      check_out date,
      unit_count integer not null,
      guest_name text,
      guest_email text,
      guest_phone text,
      guests_total integer,
      guests_adults integer,
      guests_children integer,
      guests_infants integer,
      guests_pets integer,
      amount_total text,
      amount_minor bigint,
      currency text,
      channel_name text,
      confirmation_code text,
      fields jsonb not null,
      source jsonb not null,
      version_kind text not null check (version_kind in ('source', 'provisional')),
      version_at timestamptz not null,
      fetched_at timestamptz,
      source_updated_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      unique (connection_id, external_id),
      check (check_in < check_out)
    );
    create index bookings_by_tenant on bookings (tenant_id, id);
    create index bookings_by_change on bookings (tenant_id, updated_at);
    create index bookings_by_unit on bookings (tenant_id, unit_id, check_in);
    create index bookings_by_external_id on bookings (tenant_id, external_id);

    create table availability_blocks (
      connection_id uuid not null references hostaway_connections (id),
      external_id text not null,
      tenant_id uuid not null references tenants (id),
      listing_id text not null,
      unit_id text,
      first_night date not null,
      departure date not null,
      unit_count integer not null check (unit_count > 0),
      confirmed boolean not null,
      booking_id uuid,
      primary key (connection_id, external_id),
      check (first_night < departure)
    );
    create index availability_blocks_by_unit on availability_blocks (tenant_id, unit_id, departure);

    create table hostaway_booking_queue (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      connection_id uuid not null references hostaway_connections (id),
      external_id text not null,
      listing_id text,
      status text not null
        check (status in ('pending', 'mapped', 'imported', 'rejected', 'withdrawn', 'failed')),
      problems jsonb not null,
      draft jsonb not null,
      source jsonb not null,
      source_status text,
      version_kind text not null check (version_kind in ('source', 'provisional')),
      version_at timestamptz not null,
      fetched_at timestamptz,
      webhook_id uuid,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      unique (connection_id, external_id)
    );
    create index hostaway_booking_queue_pending
      on hostaway_booking_queue (connection_id, listing_id) where status = 'pending';
    create index hostaway_booking_queue_by_tenant on hostaway_booking_queue (tenant_id, status, id);
    create index hostaway_booking_queue_waiting on hostaway_booking_queue (webhook_id)
      where status in ('pending', 'mapped', 'failed');

    -- The default of transaction_id is what lets a reader see only rows that nobody can still slip in below.
    create table event_outbox (
      id bigint generated always as identity primary key,
      transaction_id xid8 not null default pg_current_xact_id(),
      tenant_id uuid not null,
      connection_id uuid,
      subject text not null,
      type text not null,
      data jsonb not null,
      created_at timestamptz not null default clock_timestamp()
    );
    create index event_outbox_in_order on event_outbox (transaction_id, id);
    create index event_outbox_in_order_of_tenant on event_outbox (tenant_id, transaction_id, id);
    create index event_outbox_by_subject on event_outbox (tenant_id, subject);

    create table dead_letter_queue (
      id uuid primary key,
      tenant_id uuid references tenants (id),
      connection_id uuid references hostaway_connections (id),
      queue text not null,
      job text not null,
      subject text not null,
      payload jsonb not null,
      kind text not null,
      message text not null,
      attempts integer not null,
      status text not null default 'open' check (status in ('open', 'replayed', 'discarded')),
      trace_id text,
      first_failed_at timestamptz not null default now(),
      last_failed_at timestamptz not null default now(),
      replayed_at timestamptz,
      discarded_at timestamptz,
      discard_reason text
    );
    create unique index dead_letter_queue_one_open on dead_letter_queue (queue, subject) where status = 'open';
    create index dead_letter_queue_by_tenant on dead_letter_queue (tenant_id, status, id);

    create table hostaway_call_windows (
      scope text not null check (scope in ('ip', 'account')),
      window_key text not null,
      calls timestamptz[] not null default '{}',
      paused_until timestamptz,
      primary key (scope, window_key)
    );

    -- The default method of compression takes longer than everything else about storing a body. lz4 takes next to
    -- nothing; a server built without it keeps bodies as they are, for two to three times the space.
    do $$ begin
      alter table webhook_logs alter column body set compression lz4;
      alter table bookings alter column source set compression lz4;
      alter table hostaway_booking_queue alter column source set compression lz4;
    exception when feature_not_supported then
      alter table webhook_logs set (toast_tuple_target = 8160);
      alter table bookings alter column source set storage external;
      alter table hostaway_booking_queue alter column source set storage external;
    end $$;
  `.execute(db)
}
