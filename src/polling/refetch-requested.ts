import { capabilityOf } from '../channels/contract/channel.ts'
import { callChannel } from '../connections/call-channel.ts'
import { openDeadLetter } from '../dead-letters/dead-letter-store.ts'
import { databaseTime } from '../platform/db/database-time.ts'
import { toAppError } from '../platform/errors.ts'
import { decide, type RetryPolicy } from '../platform/work/decide.ts'
import { applyPage } from './apply-page.ts'
import { bulkCall, type HistoryTimes, ofHistory, type PollingSlice } from './polling-context.ts'
import {
  deleteFetch,
  listRequestedRefetches,
  noteFetchFailure,
  type RequestedRefetch,
} from './reservation-fetch-store.ts'

const maxAtOnce = 50

/** How a refetch is tried again. */
export function refetchPolicy({ retryDelayMs }: HistoryTimes): RetryPolicy {
  return { maxAttempts: 5, baseMs: retryDelayMs, maxDelayMs: 32_000, deferJitterMs: 0 }
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
