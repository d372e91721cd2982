import type { Kysely } from 'kysely'
import type { Channels } from '../../channels/contract/channel.ts'
import type { Reservation, ReservationFormat } from '../../channels/contract/reservation.ts'
import { findConnections } from '../../connections/connection-store.ts'
import { togetherOrEach } from '../../platform/batch.ts'
import type { BookingQueueRow, Database } from '../../platform/db/tables.ts'
import { AppError, factsOf, toAppError } from '../../platform/errors.ts'
import { findReleasedReservations, findReservationsToImport, noteUnstorable } from '../approval-store.ts'
import { findBookingOfReservation } from '../booking-store.ts'
import { applyReservations } from './apply-reservation.ts'
import type { IncomingReservation, ReservationOwner } from './incoming-reservation.ts'
import { draftOf } from './stored-reservation.ts'

export type ReleaseDeps = { db: Kysely<Database>; channels: Channels }

const batchRows = 200
const maxBatches = 10

/**
 * Looks once more at reservations that waited for a listing, once it is known and mapped; of one listing, or of all and
 * then also those that wait for approval, if their connection has `autoImport` by now. What is stored is applied
 * again, so a version that came meanwhile wins. One that cannot be written holds up no other: it waits as `failed`, with
 * the reason. Safe to run anywhere at any time; returns how many were released.
 */
export async function releaseWaiting(
  deps: ReleaseDeps,
  listing?: { connectionId: string; listingId: string },
): Promise<number> {
  const { db } = deps
  let released = 0
  for (let batch = 0; batch < maxBatches; batch += 1) {
    const rows = await findReleasedReservations(db, { listing, limit: batchRows })
    if (listing === undefined) rows.push(...(await findReservationsToImport(db, { limit: batchRows })))
    if (rows.length === 0) break
    const connections = await findConnections(db, [...new Set(rows.map((row) => row.connection_id))])
    released += await release(deps, rows, connections)
  }
  return released
}

async function release(
  deps: ReleaseDeps,
  rows: BookingQueueRow[],
  owners: ReservationOwner[],
): Promise<number> {
  const { db } = deps
  const outcomes = await togetherOrEach(
    rows,
    async (some) =>
      applyReservations(db, await Promise.all(some.map((row) => storedVersion(deps, row, owners)))),
    (error) => !mayPass(toAppError(error)),
  )
  let released = 0
  for (const [index, outcome] of outcomes.entries()) {
    const row = rows[index]
    if (outcome.status === 'fulfilled') released += 1
    else if (row !== undefined) await noteFailure(db, row, toAppError(outcome.reason))
  }
  return released
}

// Another attempt may succeed, so the row says nothing of the failure.
function mayPass(error: AppError): boolean {
  return factsOf(error).outcome !== 'deadLetter'
}

async function noteFailure(db: Kysely<Database>, row: BookingQueueRow, error: AppError): Promise<void> {
  if (mayPass(error)) throw error
  await noteUnstorable(db, row, { field: 'reservation', code: 'not_stored', message: error.message })
}

async function storedVersion(
  { db, channels }: ReleaseDeps,
  row: BookingQueueRow,
  owners: ReservationOwner[],
): Promise<IncomingReservation> {
  const connection = owners.find(({ id }) => id === row.connection_id)
  const format = connection === undefined ? undefined : channels.of(connection.channel).format
  const reservation = format?.parse(row.source).reservation ?? (await draftedReservation(db, row, format))
  if (connection === undefined || reservation === undefined) {
    throw new AppError('invalid_payload', 'What is stored of the reservation cannot be read')
  }
  const version = { kind: row.version_kind, at: row.version_at, fetchedAt: row.fetched_at }
  return { connection, reservation, version, webhook: null, isStored: true }
}

// A booking made in TVL waits as a draft until its channel has sent a body of it.
async function draftedReservation(
  db: Kysely<Database>,
  { connection_id: connectionId, external_id: externalId }: BookingQueueRow,
  format: ReservationFormat | undefined,
): Promise<Reservation | undefined> {
  const booking = await findBookingOfReservation(db, { connectionId, externalId })
  const draft = draftOf(booking)
  return draft === null ? undefined : format?.ofDraft(draft)
}
