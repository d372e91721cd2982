import type { Transaction } from 'kysely'
import { appendEvents } from '../../outbox/outbox-store.ts'
import type { Database } from '../../platform/db/tables.ts'
import { bookingIdOfMarker, markerOf } from '../booking-marker.ts'
import { type Adoption, adoptReservations } from './adopt-store.ts'
import type { IncomingReservation } from './incoming-reservation.ts'
import { eventsOfChange } from './reservation-events.ts'

/**
 * Which booking made here a reservation belongs to, by what the caller knows or by its marker: until its reservation
 * has been seen, by whoever sees it first, it is known by its marker alone.
 */
export function adoptionOf(incoming: IncomingReservation): Adoption[] {
  const { connection, reservation } = incoming
  const bookingId = incoming.bookingId ?? bookingIdOfMarker(reservation.marker)
  if (bookingId === undefined || reservation.id === markerOf(bookingId)) return []
  return [{ connectionId: connection.id, bookingId, externalId: reservation.id }]
}

/** Gives bookings made here the reservations that are theirs. The caller holds the locks of both. Safe to repeat. */
export async function adoptOwn(trx: Transaction<Database>, incoming: IncomingReservation[]): Promise<void> {
  for (const one of incoming) {
    const replaced = await adoptReservations(trx, adoptionOf(one))
    await appendEvents(
      trx,
      replaced.flatMap(({ before, after, block }) =>
        eventsOfChange({
          connection: one.connection,
          externalId: before.external_id,
          bookingId: before.id,
          before,
          after,
          approval: null,
          blockBefore: block,
          blockAfter: undefined,
          overbookedWith: [],
        }),
      ),
    )
  }
}
