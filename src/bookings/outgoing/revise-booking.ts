import type { Kysely, Transaction } from 'kysely'
import type { ReservationFormat } from '../../channels/contract/reservation.ts'
import type { ReservationDraft } from '../../channels/contract/reservation-draft.ts'
import { databaseTime } from '../../platform/db/database-time.ts'
import type { BookingRow, Database } from '../../platform/db/tables.ts'
import { applyReservationsWithin, type ReservationOwner } from '../apply/apply-reservation.ts'
import { draftOf } from '../apply/stored-reservation.ts'
import { knownExternalId, markerOf } from '../booking-marker.ts'
import {
  type BookingWithTenant,
  findBooking,
  lockReservations,
  writeDesiredBooking,
  writeDraft,
} from '../booking-store.ts'
import { type DesiredBooking, desiredBookingOf } from '../desired-booking.ts'
import { toFields } from './next-step.ts'

/**
 * Does something to a booking under the locks of everything that writes its reservation, on the row as it then is.
 * Undefined where there is no such booking.
 */
export async function withLockedBooking<Result>(
  db: Kysely<Database>,
  { id, tenantId }: { id: string; tenantId: string | undefined },
  work: (trx: Transaction<Database>, booking: BookingWithTenant) => Promise<Result>,
): Promise<Result | undefined> {
  for (;;) {
    const seen = await findBooking(db, id, tenantId)
    if (seen === undefined) return undefined
    const done = await db.transaction().execute(async (trx) => {
      await lockReservations(trx, keysOf(seen))
      const booking = await findBooking(trx, id, tenantId)
      // Its reservation got its id between the look and the lock: the lock is that of another key now.
      if (booking === undefined || booking.external_id !== seen.external_id) return undefined
      return { result: await work(trx, booking) }
    })
    if (done !== undefined) return done.result
  }
}

/**
 * Applies a desired value to a booking that the channel does not know and that is not being pushed: there is nothing yet
 * that it could differ from. The caller holds the booking's locks.
 */
export async function applyPending(
  trx: Transaction<Database>,
  { connection, format }: { connection: ReservationOwner; format: ReservationFormat },
  booking: BookingRow,
  desired: DesiredBooking,
): Promise<void> {
  const before = draftOf(booking)
  if (before === null) throw new Error('A booking made in TVL has no draft')
  const draft: ReservationDraft = {
    ...before,
    isCancelled: before.isCancelled || desired.status === 'cancelled',
    fields: { ...before.fields, ...toFields(desired) },
  }
  await writeDraft(trx, booking.id, draft)
  if (Object.keys(desiredBookingOf(booking)).length > 0) await writeDesiredBooking(trx, booking.id, {})
  // Newer than the previous one, even if the clock went back.
  const at = new Date(Math.max((await databaseTime(trx)).getTime(), booking.version_at.getTime() + 1))
  const version = { kind: 'provisional' as const, at, fetchedAt: null }
  await applyReservationsWithin(trx, [
    { connection, reservation: format.ofDraft(draft), version, webhook: null },
  ])
}

function keysOf(booking: BookingRow) {
  const connectionId = booking.connection_id
  const own = { connectionId, externalId: booking.external_id }
  if (booking.origin !== 'tvl' || knownExternalId(booking.external_id) === null) return [own]
  return [own, { connectionId, externalId: markerOf(booking.id) }]
}
