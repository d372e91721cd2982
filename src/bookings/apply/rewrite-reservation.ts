import type { Transaction } from 'kysely'
import type { ReservationFormat } from '../../channels/contract/reservation.ts'
import { findListings } from '../../listings/listing-store.ts'
import type { Database } from '../../platform/db/tables.ts'
import type { ReservationOwner } from './incoming-reservation.ts'
import { readStoredReservations } from './stored-reservation.ts'
import { writeReservations } from './write-reservations.ts'

/**
 * Writes booking, nights and events of a reservation once more from the newest body that is stored, after something
 * else that they depend on was changed in the same transaction. The caller holds the reservation's lock. Safe to
 * repeat; where nothing comes out otherwise nobody hears of it.
 */
export async function rewriteReservation(
  trx: Transaction<Database>,
  { connection, format }: { connection: ReservationOwner; format: ReservationFormat },
  externalId: string,
): Promise<void> {
  const [stored] = await readStoredReservations(trx, [{ connectionId: connection.id, externalId, format }])
  const newest = stored?.newest
  if (stored === undefined || newest === undefined || newest.reservation === null) return
  const { reservation, version } = newest
  const { listingId } = reservation
  const [listing] =
    listingId === undefined ? [] : await findListings(trx, [{ connectionId: connection.id, listingId }])
  await writeReservations(trx, [
    { incoming: { connection, reservation, version, webhook: null }, stored, reservation, listing },
  ])
}
