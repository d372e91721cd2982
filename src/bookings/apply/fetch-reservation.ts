import { LRUCache } from 'lru-cache'
import { capabilityOf } from '../../channels/contract/channel.ts'
import type { Reservation } from '../../channels/contract/reservation.ts'
import { type CalledConnection, type ChannelDeps, callChannel } from '../../connections/call-channel.ts'
import { databaseTime } from '../../platform/db/database-time.ts'
import { AppError } from '../../platform/errors.ts'

/** The answer of the channel: the reservation, or null where it does not know it; `startedAt` is by the database's clock. */
export type FetchedReservation = { reservation: Reservation | null; startedAt: Date }

export type ReservationFetcher = {
  /**
   * Asks the channel for a reservation. A fetch is shared only if it started after `notBefore`, the moment when the
   * caller's event was stored: an older one may answer what was before the event.
   */
  fetch(connection: CalledConnection, externalId: string, notBefore: Date): Promise<FetchedReservation>
  /** Stops sharing the last answer. */
  forget(connection: { id: string }, externalId: string): void
}

// A job waits here, instead of being deferred, only if the window opens soon.
const maxWaitMs = 2_000
// Events of one burst still ask while the first of them applies the answer.
const sharedForMs = 5_000
const maxShared = 500

export function createReservationFetcher(deps: ChannelDeps): ReservationFetcher {
  const recent = new LRUCache<string, { startedAt: Date; result: Promise<FetchedReservation> }>({
    max: maxShared,
    ttl: sharedForMs,
  })

  async function start(
    connection: CalledConnection,
    externalId: string,
    startedAt: Date,
  ): Promise<FetchedReservation> {
    try {
      const reservation = await callChannel(
        deps,
        connection,
        { urgency: 'urgent', maxWaitMs },
        (channel, call) => capabilityOf(channel, 'reservations').read(call, externalId),
      )
      return { reservation, startedAt }
    } catch (error) {
      if (error instanceof AppError && error.kind === 'not_found') return { reservation: null, startedAt }
      throw error
    }
  }

  return {
    forget(connection, externalId) {
      recent.delete(keyOf(connection, externalId))
    },
    async fetch(connection, externalId, notBefore) {
      const key = keyOf(connection, externalId)
      const running = recent.get(key)
      if (running !== undefined && running.startedAt > notBefore) return running.result
      const startedAt = await databaseTime(deps.db)
      const started = recent.get(key)
      if (started !== undefined && started.startedAt > notBefore) return started.result
      const result = start(connection, externalId, startedAt)
      const entry = { startedAt, result }
      recent.set(key, entry)
      result.catch(() => {
        if (recent.get(key) === entry) recent.delete(key)
      })
      return result
    },
  }
}

function keyOf(connection: { id: string }, externalId: string): string {
  return `${connection.id} ${externalId}`
}
