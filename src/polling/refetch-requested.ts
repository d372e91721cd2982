import { type Kysely, sql, type Transaction } from 'kysely'
import { capabilityOf } from '../channels/contract/channel.ts'
import { callChannel } from '../connections/call-channel.ts'
import { openDeadLetter } from '../dead-letters/dead-letter-store.ts'
import { databaseTime } from '../platform/db/database-time.ts'
import type { Database } from '../platform/db/tables.ts'
import { toAppError } from '../platform/errors.ts'
import { decide, type RetryPolicy } from '../platform/work/decide.ts'
import { applyPage } from './apply-page.ts'
import { bulkCall, type HistoryTimes, ofHistory, type PollingSlice } from './polling-context.ts'
import { requestPolling } from './polling-lease-store.ts'

const maxAtOnce = 50

/** How a refetch is tried again. */
export function refetchPolicy({ retryDelayMs }: HistoryTimes): RetryPolicy {
  return { maxAttempts: 5, baseMs: retryDelayMs, maxDelayMs: 32_000, deferJitterMs: 0 }
}

type RequestedRefetch = { externalId: string; attempts: number }

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

/**
 * Fetches the reservations that a person asked for again and applies them; true where none is left. One that fails for
 * good is a dead letter once more. Safe to repeat.
 */
export async function refetchRequested(reading: PollingSlice): Promise<boolean> {
  const { deps, connection } = reading
  for (;;) {
    const wanted = await listRequestedRefetches(deps.db, connection.id, maxAtOnce)
    for (const one of wanted) {
      await fetchOne(reading, one)
      if (performance.now() >= reading.endsAt) return false
    }
    if (wanted.length < maxAtOnce) return true
  }
}

async function fetchOne(reading: PollingSlice, { externalId, attempts }: RequestedRefetch): Promise<void> {
  const { deps, connection } = reading
  try {
    const fetchedAt = await databaseTime(deps.db)
    const reservation = await callChannel(deps, connection, bulkCall, (channel, call) =>
      capabilityOf(channel, 'reservations').read(call, externalId),
    )
    await applyPage(reading, [reservation], fetchedAt)
    await deleteFetch(deps.db, connection.id, externalId)
  } catch (caught) {
    const error = toAppError(caught)
    const decision = decide(error, { attempts }, refetchPolicy(deps.times))
    if (decision.outcome === 'retry') await noteFetchFailure(deps.db, connection.id, externalId)
    if (decision.outcome !== 'deadLetter') throw error
    await deps.db.transaction().execute(async (trx) => {
      await deleteFetch(trx, connection.id, externalId)
      await openDeadLetter(trx, deps, {
        ...ofHistory(connection),
        job: 'apply-reservation',
        subject: `${connection.id}:${externalId}`,
        payload: { connectionId: connection.id, reservationId: externalId },
        error,
        attempts: attempts + 1,
      })
    })
  }
}

// The longest waiting first.
async function listRequestedRefetches(
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

async function noteFetchFailure(
  db: Kysely<Database>,
  connectionId: string,
  externalId: string,
): Promise<void> {
  await sql`
    update reservation_fetches set attempts = attempts + 1
    where connection_id = ${connectionId} and external_id = ${externalId}
  `.execute(db)
}

async function deleteFetch(db: Kysely<Database>, connectionId: string, externalId: string): Promise<void> {
  await db
    .deleteFrom('reservation_fetches')
    .where('connection_id', '=', connectionId)
    .where('external_id', '=', externalId)
    .execute()
}
