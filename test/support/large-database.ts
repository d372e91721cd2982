import { type Kysely, sql } from 'kysely'
import type { Database } from '../../src/platform/db/tables.ts'

const webhooks = 100_000
const bookings = 20_000
const units = 400
const events = 60_000

export type LargeDatabase = { busy: Tenant; quiet: Tenant; bookings: number }
export type Tenant = { tenantId: string; connectionId: string }

/** Fills a migrated database with years of one busy tenant, and little of a quiet one. */
export async function fillLargeDatabase(db: Kysely<Database>): Promise<LargeDatabase> {
  const busy = await addTenant(db, 'busy', '20001')
  const quiet = await addTenant(db, 'quiet', '20002')
  for (const [tenant, share] of [
    [busy, 1],
    [quiet, 1_000],
  ] as const) {
    await addWebhooks(db, tenant, webhooks / share)
    await addBookings(db, tenant, bookings / share)
    await addPushes(db, tenant)
    await addDesired(db, tenant)
    await addEvents(db, tenant, events / share)
    await addWaiting(db, tenant, 5_000 / share)
  }
  await sql`analyze`.execute(db)
  return { busy, quiet, bookings }
}

export async function addTenant(db: Kysely<Database>, slug: string, accountId: string): Promise<Tenant> {
  const { rows } = await sql<Tenant>`
    with tenant as (
      insert into tenants (id, slug, name) values (uuidv7(), ${slug}, ${slug}) returning id
    )
    insert into hostaway_connections
      (id, tenant_id, channel, account_id, status, auto_import, auto_map_listings, webhook_auth, webhook_url, key_set_at)
    select uuidv7(), tenant.id, 'hostaway', ${accountId}, 'active', true, true, 'basic', 'http://127.0.0.1', now()
    from tenant
    returning tenant_id as "tenantId", id as "connectionId"
  `.execute(db)
  const [tenant] = rows
  if (tenant === undefined) throw new Error('the tenant was not inserted')
  return tenant
}

// Every thousandth webhook waits, every other one of those without ever having been enqueued.
async function addWebhooks(db: Kysely<Database>, tenant: Tenant, count: number): Promise<void> {
  await sql`
    insert into webhook_logs
      (id, tenant_id, connection_id, event_type, external_id, body, status, received_at, enqueued_at, processed_at)
    select uuidv7(age), ${tenant.tenantId}, ${tenant.connectionId}, 'reservation.updated', (n % ${bookings})::text,
      '{}', status, now() + age, case when n % 2000 = 0 then null else now() + age end,
      case when status = 'received' then null else now() + age end
    from (
      select n, (n - ${count}) * interval '2 minutes' as age,
        case when n % 1000 = 0 then 'received' when n % 1000 = 1 then 'failed' when n % 100 = 2 then 'queued'
          else 'processed' end as status
      from generate_series(1, ${count}::int) n
    ) webhook
  `.execute(db)
}

async function addBookings(db: Kysely<Database>, tenant: Tenant, count: number): Promise<void> {
  await sql`
    insert into bookings
      (id, tenant_id, connection_id, channel, external_id, listing_id, unit_id, status, source_status, check_in,
       check_out, unit_count, fields, source, version_kind, version_at, created_at, updated_at)
    select uuidv7(age), ${tenant.tenantId}, ${tenant.connectionId}, 'hostaway', n::text, (n % ${units})::text,
      'hostaway-' || n % ${units}, case when n % 10 = 0 then 'cancelled' else 'confirmed' end, 'new',
      date '2025-01-01' + n / ${units} * 5, date '2025-01-01' + n / ${units} * 5 + 4, 1, '{}', '{}', 'source',
      now() + age, now() + age, now() + age
    from (select n, (n - ${count}) * interval '10 minutes' as age from generate_series(1, ${count}::int) n) booking
  `.execute(db)
  await sql`
    insert into availability_blocks
      (connection_id, external_id, tenant_id, listing_id, unit_id, first_night, departure, unit_count, confirmed)
    select connection_id, external_id, tenant_id, listing_id, unit_id, check_in, check_out, 1, true
    from bookings where tenant_id = ${tenant.tenantId} and status = 'confirmed'
  `.execute(db)
}

// Every fifth booking was pushed at some time; of those every hundredth waits.
async function addPushes(db: Kysely<Database>, { tenantId, connectionId }: Tenant): Promise<void> {
  await sql`
    insert into booking_pushes (booking_id, connection_id, tenant_id, waiting_since)
    select id, connection_id, tenant_id, case when external_id::int % 500 = 0 then now() end
    from bookings where tenant_id = ${tenantId} and external_id::int % 5 = 0
  `.execute(db)
  await sql`
    insert into booking_push_steps (booking_id, step, detail)
    select booking_id, 'pushed', 'changed' from booking_pushes, generate_series(1, 3)
    where connection_id = ${connectionId}
  `.execute(db)
}

async function addDesired(db: Kysely<Database>, { tenantId, connectionId }: Tenant): Promise<void> {
  await sql`
    insert into listings (connection_id, listing_id, tenant_id, unit_id, name)
    select ${connectionId}, n::text, ${tenantId}, 'hostaway-' || n, 'Listing' from generate_series(1, ${units}::int) n
  `.execute(db)
  await sql`
    insert into calendar_days (connection_id, listing_id, day, tenant_id, desired_units)
    select connection_id, listing_id, date '2025-06-01' + n, tenant_id, n % 2
    from listings, generate_series(1, 50) n where tenant_id = ${tenantId}
  `.execute(db)
}

async function addEvents(db: Kysely<Database>, tenant: Tenant, count: number): Promise<void> {
  await sql`
    insert into event_outbox (transaction_id, tenant_id, connection_id, subject, type, data)
    select (3 + n / 200)::text::xid8, ${tenant.tenantId}, ${tenant.connectionId},
      'reservation:' || ${tenant.connectionId}::text || ':' || n % ${bookings}, 'booking.updated', '{}'
    from generate_series(1, ${count}::int) n
  `.execute(db)
}

async function addWaiting(db: Kysely<Database>, tenant: Tenant, count: number): Promise<void> {
  await sql`
    insert into hostaway_booking_queue
      (id, tenant_id, connection_id, external_id, status, problems, draft, source, version_kind, version_at)
    select uuidv7(n * interval '-1 minute'), ${tenant.tenantId}, ${tenant.connectionId}, n::text,
      case when n % 100 = 0 then 'pending' when n % 100 = 1 then 'mapped' else 'imported' end, '[]', '{}', '{}',
      'source', now()
    from generate_series(1, ${count}::int) n
  `.execute(db)
  await sql`
    insert into dead_letter_queue
      (id, tenant_id, connection_id, queue, job, subject, payload, kind, message, attempts, status)
    select uuidv7(n * interval '-1 minute'), ${tenant.tenantId}, ${tenant.connectionId}, 'inbound', 'process-webhook',
      uuidv7()::text, '{}', 'not_found', 'not found', 1, case when n % 200 = 0 then 'open' else 'replayed' end
    from generate_series(1, ${count}::int) n
  `.execute(db)
}
