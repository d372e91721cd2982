import { withAccessToken } from '../connections/access-token.ts'
import { databaseTime } from '../platform/db/database-time.ts'
import { failureKinds, toAppError } from '../platform/errors.ts'
import { applyPage } from './apply-page.ts'
import { bulkCall, type HistoryTurn } from './history-context.ts'
import {
  deleteFetch,
  listWanted,
  noteFetchFailure,
  type WantedReservation,
} from './reservation-fetch-store.ts'

const mostAtOnce = 50
const mostAttempts = 5

/**
 * Fetches the reservations that a person asked for again and applies them; true where none is left. One that fails for
 * good is a dead letter once more. Safe to repeat.
 */
export async function fetchWanted(reading: HistoryTurn): Promise<boolean> {
  const { deps, connection } = reading
  for (;;) {
    const wanted = await listWanted(deps.db, connection.id, mostAtOnce)
    for (const one of wanted) {
      await fetchOne(reading, one)
      if (performance.now() >= reading.endsAt) return false
    }
    if (wanted.length < mostAtOnce) return true
  }
}

async function fetchOne(reading: HistoryTurn, { externalId, attempts }: WantedReservation): Promise<void> {
  const { deps, connection } = reading
  try {
    const fetchedAt = await databaseTime(deps.db)
    const reservation = await withAccessToken(deps, connection, (token) =>
      deps.client.getReservation(bulkCall(connection, token), externalId),
    )
    await applyPage(reading, [reservation], fetchedAt)
    await deleteFetch(deps.db, connection.id, externalId)
  } catch (caught) {
    const error = toAppError(caught)
    const { retry } = failureKinds[error.kind]
    if (retry === 'later') throw error
    if (retry === 'backoff' && attempts + 1 < mostAttempts) {
      await noteFetchFailure(deps.db, connection.id, externalId)
      throw error
    }
    await deps.db.transaction().execute(async (trx) => {
      await deleteFetch(trx, connection.id, externalId)
      await deps.bury(trx, {
        tenantId: connection.tenantId,
        connectionId: connection.id,
        job: 'apply-reservation',
        subject: `${connection.id}:${externalId}`,
        payload: { connectionId: connection.id, reservationId: externalId },
        error,
        attempts: attempts + 1,
      })
    })
  }
}
