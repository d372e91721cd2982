import { type Kysely, sql } from 'kysely'

/** What TVL wishes, what Hostaway was told, and how far along each listing is. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table calendar_days (
      connection_id uuid not null,
      listing_id text not null,
      day date not null,
      tenant_id uuid not null,
      wished_units integer check (wished_units >= 0),
      wished_price numeric check (wished_price >= 0),
      wished_min_stay integer check (wished_min_stay > 0),
      wished_max_stay integer check (wished_max_stay > 0),
      wished_closed_on_arrival boolean,
      wished_closed_on_departure boolean,
      wished_note text,
      pushed_units integer,
      pushed_price numeric,
      pushed_min_stay integer,
      pushed_max_stay integer,
      pushed_closed_on_arrival boolean,
      pushed_closed_on_departure boolean,
      pushed_note text,
      -- Hostaway showed the night as held by a booking when it was last read.
      held boolean not null default false,
      -- Since when what Hostaway holds is not known; it is read before anything is pushed.
      unverified_since timestamptz,
      failed_kind text,
      drifted_at timestamptz,
      units_differ boolean not null generated always as
        (wished_units is not null and wished_units is distinct from pushed_units) stored,
      rest_differs boolean not null generated always as (
        (wished_price is not null and wished_price is distinct from pushed_price)
        or (wished_min_stay is not null and wished_min_stay is distinct from pushed_min_stay)
        or (wished_max_stay is not null and wished_max_stay is distinct from pushed_max_stay)
        or (wished_closed_on_arrival is not null
          and wished_closed_on_arrival is distinct from pushed_closed_on_arrival)
        or (wished_closed_on_departure is not null
          and wished_closed_on_departure is distinct from pushed_closed_on_departure)
        or (wished_note is not null and wished_note is distinct from pushed_note)
      ) stored,
      primary key (connection_id, listing_id, day),
      foreign key (connection_id, listing_id) references listings (connection_id, listing_id)
    );
    create index calendar_days_differing on calendar_days (connection_id, listing_id, day)
      where units_differ or rest_differs;
    create index calendar_days_unverified on calendar_days (connection_id, listing_id)
      where unverified_since is not null;
    create index calendar_days_failed on calendar_days (connection_id, listing_id)
      where failed_kind is not null;

    create index availability_blocks_by_listing
      on availability_blocks (connection_id, listing_id, departure);

    create table listing_pushes (
      connection_id uuid not null,
      listing_id text not null,
      tenant_id uuid not null,
      -- Since when each part waits, settling time included; null where nothing does.
      availability_due_at timestamptz,
      price_due_at timestamptz,
      details_due_at timestamptz,
      check_due_at timestamptz,
      -- Rest after a push, back-off after a failure, or a call that may still land.
      not_before timestamptz,
      urgency smallint generated always as (case
        when availability_due_at is not null then 0
        when price_due_at is not null then 1
        when details_due_at is not null then 2
        when check_due_at is not null then 3 end) stored,
      waiting_since timestamptz generated always as
        (least(availability_due_at, price_due_at, details_due_at, check_due_at)) stored,
      due_at timestamptz generated always as (case
        when coalesce(availability_due_at, price_due_at, details_due_at, check_due_at) is not null
        then greatest(least(availability_due_at, price_due_at, details_due_at, check_due_at), not_before)
        end) stored,
      lease_until timestamptz,
      fence bigint not null default 0,
      -- The nights of a call that was begun and whose outcome is not known.
      sending_from date,
      sending_to date,
      sending_until timestamptz,
      details_sending boolean not null default false,
      attempts integer not null default 0,
      last_error text,
      last_pushed_at timestamptz,
      last_checked_at timestamptz,
      wished_details jsonb not null default '{}',
      pushed_details jsonb not null default '{}',
      details_failed_kind text,
      primary key (connection_id, listing_id),
      foreign key (connection_id, listing_id) references listings (connection_id, listing_id)
    );
    create index listing_pushes_most_urgent on listing_pushes (connection_id, urgency, waiting_since)
      where due_at is not null;
    create index listing_pushes_due on listing_pushes (due_at) where due_at is not null;

    create table connection_pushes (
      connection_id uuid primary key references hostaway_connections (id),
      -- Until then the rate limit or the breaker lets nothing go on that is not more urgent than this.
      wake_at timestamptz,
      wake_urgency smallint not null default 0
    );

    create table scheduled_runs (
      name text primary key,
      last_run_at timestamptz not null
    );

    create table idempotency_keys (
      tenant_id uuid not null references tenants (id),
      scope text not null,
      key text not null,
      request_hash bytea not null,
      answer jsonb,
      created_at timestamptz not null default now(),
      primary key (tenant_id, scope, key)
    );
    create index idempotency_keys_by_age on idempotency_keys (created_at);
  `.execute(db)
}
