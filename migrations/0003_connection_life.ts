import { type Kysely, sql } from 'kysely'

/** What a connection needs to be changed, rotated, watched, paused and ended. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table hostaway_connections
      -- Basic credentials that Hostaway is about to be given; accepted beside the present ones until it has them.
      add column webhook_next_credentials_sealed text,
      -- HMAC secrets that were replaced, each with the time until which it is still accepted.
      add column webhook_former_secrets_sealed text,
      -- When what the ingress accepts was last changed; the other processes see it a moment later.
      add column webhook_secrets_set_at timestamptz not null default now(),
      add column webhook_check_due_at timestamptz not null default now(),
      add column silence_reported_at timestamptz,
      -- Set while a disconnected connection still has something at Hostaway to take away.
      add column disconnecting_since timestamptz,
      add column sync_availability boolean not null default true,
      add column sync_pricing boolean not null default true,
      add column sync_listings boolean not null default true,
      add column reconcile boolean not null default true,
      -- Cron expressions; null where the installation's applies.
      add column sync_availability_cron text,
      add column sync_pricing_cron text,
      add column sync_listings_cron text,
      add column reconcile_cron text,
      add column calls_per_minute integer check (calls_per_minute > 0),
      add column calls_at_once integer check (calls_at_once > 0);
    create index hostaway_connections_to_check on hostaway_connections (webhook_check_due_at)
      where status in ('active', 'paused') or disconnecting_since is not null;

    -- What is not to be kept in step never becomes due, whoever marks it: the wish stays, and is marked again when the
    -- part is enabled.
    create function hold_disabled_parts() returns trigger language plpgsql as $$
    declare
      enabled record;
    begin
      select sync_availability, sync_pricing, sync_listings into enabled
      from hostaway_connections where id = new.connection_id;
      if not enabled.sync_availability then new.availability_due_at := null; end if;
      if not enabled.sync_pricing then new.price_due_at := null; end if;
      if not enabled.sync_listings then new.details_due_at := null; end if;
      return new;
    end $$;
    create trigger hold_disabled_parts before insert or update on listing_pushes for each row
      when (new.availability_due_at is not null or new.price_due_at is not null or new.details_due_at is not null)
      execute function hold_disabled_parts();

    -- A further limit of an account, beside the profile's.
    alter table hostaway_call_windows
      add column further_limit integer check (further_limit > 0),
      add column further_limit_ms integer check (further_limit_ms > 0);

    -- A parked webhook waits for its connection to go on; nobody looks at it until then.
    alter table webhook_logs add column parked boolean not null default false;
    drop index webhook_logs_unprocessed;
    create index webhook_logs_unprocessed on webhook_logs (parked, received_at) where status = 'received';
  `.execute(db)
}
