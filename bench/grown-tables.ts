import pg from 'pg'
import type { StoredAccount } from './stored-account.ts'
import { bodyKinds, firstListing, listingCount } from './webhook-bodies.ts'

const rowsPerStatement = 50_000
const historyDays = 180

/**
 * Gives an account a past: webhooks of half a year, a booking with its nights and two events for every tenth of them,
 * and for every hundredth booking a row that waited for a person and a dead letter.
 */
export async function growTables(account: StoredAccount, webhooks: number): Promise<void> {
  const client = new pg.Client({ connectionString: account.databaseUrl })
  await client.connect()
  const scope = [account.tenantId, account.connectionId]
  const body = bodyKinds[0]?.create(1) ?? ''
  const bookings = webhooks / 10
  try {
    for (let first = 1; first <= webhooks; first += rowsPerStatement) {
      const last = Math.min(webhooks, first + rowsPerStatement - 1)
      await client.query(
        `insert into webhook_logs (id, tenant_id, connection_id, event_type, source_event, external_id, body,
           status, outcome, received_at, processed_at)
         select uuidv7(age), $1, $2, 'reservation.updated', 'reservation.updated', (n % $3 + 1)::text, $4,
           case when n % 500 = 0 then 'failed' when n % 200 = 0 then 'ignored' else 'processed' end,
           'updated', now() + age, now() + age
         from (select n, (n - $5::int) * ($6::int * interval '1 day' / $5::int) as age
           from generate_series($7::int, $8::int) n) webhook`,
        [...scope, bookings, body, webhooks, historyDays, first, last],
      )
    }
    await client.query(
      `insert into bookings (id, tenant_id, connection_id, channel, external_id, listing_id, unit_id, status,
         source_status, check_in, check_out, unit_count, fields, source, version_kind, version_at, created_at,
         updated_at)
       select uuidv7(age), $1, $2, 'hostaway', n::text, listing, 'hostaway-' || listing,
         case when n % 10 = 0 then 'cancelled' else 'confirmed' end, 'new', arrival, arrival + 3, 1, '{}',
         jsonb_set($3::jsonb, '{id}', to_jsonb(n)), 'source', now() + age, now() + age, now() + age
       from (select n, (n - $4::int) * interval '1 minute' as age, ($5::int + n % $6::int)::text as listing,
           date '1950-01-01' + n / $6::int * 3 as arrival
         from generate_series(1, $4::int) n) booking`,
      [...scope, JSON.stringify(JSON.parse(body).data), bookings, firstListing, listingCount],
    )
    await client.query(
      `insert into availability_blocks (connection_id, external_id, tenant_id, listing_id, unit_id, first_night,
         departure, unit_count, confirmed, booking_id)
       select connection_id, external_id, tenant_id, listing_id, unit_id, check_in, check_out, 1, true, id
       from bookings where status = 'confirmed'`,
    )
    await client.query(
      `insert into event_outbox (transaction_id, tenant_id, connection_id, subject, type, data, created_at)
       select '3'::xid8, tenant_id, connection_id, 'reservation:' || connection_id || ':' || external_id, type,
         jsonb_build_object('booking', jsonb_build_object('id', id, 'externalId', external_id)), created_at
       from bookings, (values ('booking.created'), ('availability.blocked')) event (type)
       order by created_at`,
    )
    await client.query(
      `insert into hostaway_booking_queue (id, tenant_id, connection_id, external_id, status, problems, draft,
         source, version_kind, version_at)
       select id, tenant_id, connection_id, external_id, case when random() < 0.1 then 'pending' else 'imported' end,
         '[]', '{}', source, 'source', version_at
       from bookings where external_id like '%00'`,
    )
    await client.query(
      `insert into dead_letter_queue (id, tenant_id, connection_id, queue, job, subject, payload, kind, message,
         attempts, status)
       select uuidv7(), tenant_id, connection_id, 'inbound', 'process-webhook', id::text,
         jsonb_build_object('webhookId', id), 'not_found', 'not found', 1,
         case when random() < 0.1 then 'open' else 'discarded' end
       from webhook_logs where status = 'failed'`,
    )
    await client.query('vacuum analyze')
    await client.query('checkpoint')
  } finally {
    await client.end()
  }
}
