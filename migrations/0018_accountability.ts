import { type Kysely, sql } from 'kysely'

/** Who changed what, and tokens that end. Frozen in time. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table audit_log (
      id uuid primary key,
      at timestamptz not null default clock_timestamp(),
      tenant_id uuid references tenants (id),
      actor_kind text not null,
      actor_id uuid,
      actor_name text not null,
      role text not null,
      action text not null,
      subject text not null,
      detail jsonb not null,
      outcome text not null,
      status_code integer,
      ip text not null,
      request_id text not null
    )
  `.execute(db)
  await sql`create index audit_log_by_tenant on audit_log (tenant_id, id)`.execute(db)
  await sql`create index audit_log_by_age on audit_log (at)`.execute(db)
  await sql`
    alter table api_tokens add column expires_at timestamptz, add column last_used_at timestamptz,
      add column created_by uuid references api_tokens (id)
  `.execute(db)
  await sql`create index api_tokens_by_maker on api_tokens (created_by) where created_by is not null`.execute(
    db,
  )
}
