import { type Kysely, sql, type Transaction } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import { requestPolling } from './polling-lease-store.ts'

export type RequestedRefetch = { externalId: string; attempts: number }

/** Asks for a reservation to be fetched and applied once more; safe to repeat. */
export async function requestFetch(
  trx: Transaction<Database>,
  { connectionId, externalId }: { connectionId: string; externalId: string },
): Promise<void> {
  await sql`
    insert into reservation_fetches (connection_id, external_id, tenant_id)
    select id, ${externalId}, tenant_id from hostaway_connections where id = ${connectionId}
    on conflict (connection_id, external_id) do update set attempts = 0
  `.execute(trx)
  await requestPolling(trx, connectionId, 'fetch')
}

/** The reservations that are wanted of a connection, the longest waiting first. */
export async function listRequestedRefetches(
  db: Kysely<Database>,
  connectionId: string,
  limit: number,
): Promise<RequestedRefetch[]> {
  const rows = await db
    .selectFrom('reservation_fetches')
    .select(['external_id', 'attempts'])
    .where('connection_id', '=', connectionId)
    .orderBy('requested_at')
    .limit(limit)
    .execute()
  return rows.map(({ external_id, attempts }) => ({ externalId: external_id, attempts }))
}

/** Notes a failure that is tried again. */
export async function noteFetchFailure(
  db: Kysely<Database>,
  connectionId: string,
  externalId: string,
): Promise<void> {
  await sql`
    update reservation_fetches set attempts = attempts + 1
    where connection_id = ${connectionId} and external_id = ${externalId}
  `.execute(db)
}

/** Deletes the request of a refetch, which has succeeded or become a dead letter. Safe to repeat. */
export async function deleteFetch(
  db: Kysely<Database>,
  connectionId: string,
  externalId: string,
): Promise<void> {
  await db
    .deleteFrom('reservation_fetches')
    .where('connection_id', '=', connectionId)
    .where('external_id', '=', externalId)
    .execute()
}
