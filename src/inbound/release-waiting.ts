import type { Kysely } from 'kysely'
import { findReleasedReservations, findReservationsToImport } from '../approvals/approval-store.ts'
import { findConnections } from '../connections/connection-store.ts'
import type { BookingQueueRow, Database } from '../db/tables.ts'
import { parseReservation } from '../hostaway/wire/reservation.ts'
import { applyReservations } from './apply-reservation.ts'
import type { IncomingReservation, ReservationOwner } from './incoming-reservation.ts'

const batchRows = 200
const mostBatches = 10

/**
 * Looks once more at reservations that waited for a listing, once it is known and mapped; of one listing, or of all and
 * then also at those that waited for a yes, where their connection imports by itself by now. What is stored is applied again, so a version that came meanwhile wins. Safe to run anywhere at any time; returns how
 * many were looked at.
 */
export async function releaseWaiting(
  db: Kysely<Database>,
  listing?: { connectionId: string; listingId: string },
): Promise<number> {
  let released = 0
  for (let batch = 0; batch < mostBatches; batch += 1) {
    const rows = await findReleasedReservations(db, { listing, limit: batchRows })
    if (listing === undefined) rows.push(...(await findReservationsToImport(db, { limit: batchRows })))
    if (rows.length === 0) break
    const connections = await findConnections(db, [...new Set(rows.map((row) => row.connection_id))])
    const stored = rows.flatMap((row) => {
      const connection = connections.find(({ id }) => id === row.connection_id)
      return connection === undefined ? [] : storedVersion(row, connection)
    })
    await applyReservations(db, stored)
    released += rows.length
  }
  return released
}

function storedVersion(row: BookingQueueRow, connection: ReservationOwner): IncomingReservation[] {
  const { reservation } = parseReservation(row.source)
  if (reservation === null) return []
  const version = { kind: row.version_kind, at: row.version_at, fetchedAt: row.fetched_at }
  return [{ connection, reservation, version, webhook: null, isStored: true }]
}
