import { type Kysely, sql } from 'kysely'

/** The events that say what is desired, and which request a night's desired values came from. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table desired_events (
      id uuid primary key,
      tenant_id uuid not null references tenants (id),
      batch_id uuid not null,
      position integer not null,
      received_at timestamptz not null default clock_timestamp(),
      source text,
      event_id text,
      type text not null,
      unit_id text not null,
      data jsonb not null,
      token_id uuid,
      token_name text not null,
      role text not null,
      request_id text not null
    )
  `.execute(db)
  await sql`
    create unique index desired_events_once on desired_events (tenant_id, source, event_id)
    where event_id is not null
  `.execute(db)
  await sql`create index desired_events_by_tenant on desired_events (tenant_id, id)`.execute(db)
  await sql`create index desired_events_by_batch on desired_events (batch_id, unit_id)`.execute(db)
  await sql`create index desired_events_by_age on desired_events (received_at)`.execute(db)
  await sql`alter table calendar_days add column desired_batch uuid, add column desired_at timestamptz`.execute(
    db,
  )
}
