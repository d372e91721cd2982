import { type AccessTokenDeps, withAccessToken } from '../connections/access-token.ts'
import { databaseTime } from '../db/database-time.ts'
import { AppError } from '../errors.ts'
import type { Reservation } from '../hostaway/wire/reservation.ts'

/** What Hostaway said: the reservation, or null where it does not know it; `startedAt` is by the database's clock. */
export type FetchedReservation = { reservation: Reservation | null; startedAt: Date }

export type ReservationFetcher = {
  /**
   * Asks Hostaway for a reservation. A fetch that is under way is shared only if it started after `notBefore`,
   * the moment when the caller's event was stored: an older one may still answer what was before the event.
   */
  fetch(
    connection: { id: string; accountId: string },
    externalId: string,
    notBefore: Date,
  ): Promise<FetchedReservation>
}

// A job waits here rather than come back later only when the window opens soon.
const longestWaitMs = 2_000

export function createReservationFetcher(deps: AccessTokenDeps): ReservationFetcher {
  const underWay = new Map<string, { startedAt: Date; result: Promise<FetchedReservation> }>()

  async function start(
    connection: { id: string; accountId: string },
    externalId: string,
    startedAt: Date,
  ): Promise<FetchedReservation> {
    try {
      const reservation = await withAccessToken(deps, connection, (token) =>
        deps.client.getReservation(
          { accountId: connection.accountId, token, urgency: 'urgent', maxWaitMs: longestWaitMs },
          externalId,
        ),
      )
      return { reservation, startedAt }
    } catch (error) {
      if (error instanceof AppError && error.kind === 'not_found') return { reservation: null, startedAt }
      throw error
    }
  }

  return {
    async fetch(connection, externalId, notBefore) {
      const key = `${connection.id} ${externalId}`
      const running = underWay.get(key)
      if (running !== undefined && running.startedAt > notBefore) return running.result
      const startedAt = await databaseTime(deps.db)
      const started = underWay.get(key)
      if (started !== undefined && started.startedAt > notBefore) return started.result
      const result = start(connection, externalId, startedAt)
      const entry = { startedAt, result }
      underWay.set(key, entry)
      const forget = () => {
        if (underWay.get(key) === entry) underWay.delete(key)
      }
      result.then(forget, forget)
      return result
    },
  }
}
