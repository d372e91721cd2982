import type { Kysely } from 'kysely'
import { parseReservation } from '../../channels/hostaway/wire/reservation.ts'
import { findConnections } from '../../connections/connection-store.ts'
import type { BookingQueueRow, Database } from '../../platform/db/tables.ts'
import { AppError, toAppError } from '../../platform/errors.ts'
import { findReleasedReservations, findReservationsToImport, noteUnstorable } from '../approval-store.ts'
import { applyReservations } from './apply-reservation.ts'
import type { IncomingReservation, ReservationOwner } from './incoming-reservation.ts'

const batchRows = 200
const maxBatches = 10

/**
 * Looks once more at reservations that waited for a listing, once it is known and mapped; of one listing, or of all and
 * then also at those that waited for a yes, where their connection imports by itself by now. What is stored is applied
 * again, so a version that came meanwhile wins. One that cannot be written holds up no other: it waits as `failed`, with
 * the reason. Safe to run anywhere at any time; returns how many were released.
 */
export async function releaseWaiting(
  db: Kysely<Database>,
  listing?: { connectionId: string; listingId: string },
): Promise<number> {
  let released = 0
  for (let batch = 0; batch < maxBatches; batch += 1) {
    const rows = await findReleasedReservations(db, { listing, limit: batchRows })
    if (listing === undefined) rows.push(...(await findReservationsToImport(db, { limit: batchRows })))
    if (rows.length === 0) break
    const connections = await findConnections(db, [...new Set(rows.map((row) => row.connection_id))])
    released += await release(db, rows, connections)
  }
  return released
}

async function release(
  db: Kysely<Database>,
  rows: BookingQueueRow[],
  owners: ReservationOwner[],
): Promise<number> {
  try {
    await applyReservations(
      db,
      rows.map((row) => storedVersion(row, owners)),
    )
    return rows.length
  } catch (caught) {
    const error = toAppError(caught)
    if (error.kind === 'database_unavailable') throw error
    const [only, ...others] = rows
    if (only !== undefined && others.length === 0) {
      const problem = { field: 'reservation', code: 'not_stored', message: error.message }
      await noteUnstorable(db, only, problem)
      return 0
    }
    let released = 0
    for (const row of rows) released += await release(db, [row], owners)
    return released
  }
}

function storedVersion(row: BookingQueueRow, owners: ReservationOwner[]): IncomingReservation {
  const connection = owners.find(({ id }) => id === row.connection_id)
  const { reservation } = parseReservation(row.source)
  if (connection === undefined || reservation === null) {
    throw new AppError('invalid_payload', 'What is stored of the reservation cannot be read')
  }
  const version = { kind: row.version_kind, at: row.version_at, fetchedAt: row.fetched_at }
  return { connection, reservation, version, webhook: null, isStored: true }
}
