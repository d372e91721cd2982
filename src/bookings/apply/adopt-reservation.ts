import { sql, type Transaction } from 'kysely'
import { appendEvents } from '../../outbox/outbox-store.ts'
import type { BlockRow, BookingRow, Database } from '../../platform/db/tables.ts'
import { bookingIdOfMarker, markerOf } from '../booking-marker.ts'
import type { IncomingReservation } from './incoming-reservation.ts'
import { eventsOfChange } from './reservation-events.ts'

/** A booking made here, and the id that the channel gave its reservation. */
export type Adoption = { connectionId: string; bookingId: string; externalId: string }

/** A booking that was made of a reservation before it was known whose it is; it is cancelled now. */
export type Replaced = { before: BookingRow; after: BookingRow; block: BlockRow | undefined }

/**
 * Which booking made here a reservation belongs to, by what the caller knows or by its marker: until its reservation
 * has been seen for the first time, it is known by its marker alone.
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

/**
 * Gives bookings made here the ids of their reservations, which are then found by them, and takes out of the way what
 * a reservation had become by itself meanwhile. Changes nothing where a booking has its id already. The caller holds
 * the locks of both keys.
 */
async function adoptReservations(trx: Transaction<Database>, adoptions: Adoption[]): Promise<Replaced[]> {
  const replaced: Replaced[] = []
  for (const adoption of adoptions) replaced.push(...(await adopt(trx, adoption)))
  return replaced
}

async function adopt(
  trx: Transaction<Database>,
  { connectionId, bookingId, externalId }: Adoption,
): Promise<Replaced[]> {
  const marker = markerOf(bookingId)
  const own = await trx
    .selectFrom('bookings')
    .select('id')
    .where('id', '=', bookingId)
    .where('connection_id', '=', connectionId)
    .where('external_id', '=', marker)
    .forUpdate()
    .executeTakeFirst()
  if (own === undefined || (await isOfAnother(trx, { connectionId, externalId }))) return []
  const replaced = await replace(trx, { connectionId, bookingId, externalId })
  // A booking that was cancelled before its reservation was seen is cancelled there as well.
  await sql`
    update bookings set external_id = ${externalId},
      desired = case when status = 'cancelled' then '{"status": "cancelled"}' else desired end
    where id = ${bookingId}
  `.execute(trx)
  await trx
    .updateTable('availability_blocks')
    .set({ external_id: externalId })
    .where('connection_id', '=', connectionId)
    .where('external_id', '=', marker)
    .execute()
  await sql`
    with looked_at as (
      update booking_pushes set waiting_since = coalesce(waiting_since, clock_timestamp()), failed_kind = null
      where booking_id = ${bookingId}
      returning booking_id
    )
    insert into booking_push_steps (booking_id, step, detail)
    select booking_id, 'pushed', ${`reservation ${externalId} exists at the channel`} from looked_at
  `.execute(trx)
  return replaced
}

// Two bookings made here never share a reservation; a person has to look at the channel.
async function isOfAnother(
  trx: Transaction<Database>,
  { connectionId, externalId }: Omit<Adoption, 'bookingId'>,
): Promise<boolean> {
  const other = await trx
    .selectFrom('bookings')
    .select('id')
    .where('connection_id', '=', connectionId)
    .where('external_id', '=', externalId)
    .where('origin', '=', 'tvl')
    .executeTakeFirst()
  return other !== undefined
}

async function replace(
  trx: Transaction<Database>,
  { connectionId, bookingId, externalId }: Adoption,
): Promise<Replaced[]> {
  const block = await trx
    .deleteFrom('availability_blocks')
    .where('connection_id', '=', connectionId)
    .where('external_id', '=', externalId)
    .returningAll()
    .executeTakeFirst()
  const before = await trx
    .selectFrom('bookings')
    .selectAll()
    .where('connection_id', '=', connectionId)
    .where('external_id', '=', externalId)
    .forUpdate()
    .executeTakeFirst()
  if (before === undefined) return []
  const after = await trx
    .updateTable('bookings')
    .set({
      status: 'cancelled',
      external_id: `${externalId} of ${bookingId}`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', before.id)
    .returningAll()
    .executeTakeFirstOrThrow()
  return [{ before, after: { ...after, external_id: externalId }, block }]
}
