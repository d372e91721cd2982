import type { Kysely } from 'kysely'
import type { Reservation } from '../../channels/hostaway/wire/reservation.ts'
import { type Connection, findConnections } from '../../connections/connection-store.ts'
import { createBatchedCall } from '../../platform/batched-call.ts'
import type { Database, WebhookLogRow } from '../../platform/db/tables.ts'
import { findWebhooks } from '../../webhooks/webhook-log.ts'
import { type ApplyResult, applyReservations } from './apply-reservation.ts'
import type { IncomingReservation } from './incoming-reservation.ts'

/** What jobs that run at the same time do together, in one statement or one transaction; each as if it were alone. */
export type SharedStatements = {
  findWebhook(id: string): Promise<WebhookLogRow | undefined>
  findConnection(id: string): Promise<Connection | undefined>
  apply(incoming: IncomingReservation): Promise<ApplyResult>
}

const maxItems = 64
// While the database works on one call, the next one is put together.
const maxInFlight = 2
const maxMonths = 120

export function createSharedStatements(db: Kysely<Database>): SharedStatements {
  return {
    findWebhook: createBatchedCall({
      run: async (ids) => pick(ids, await findWebhooks(db, ids)),
      maxItems,
      maxInFlight,
    }),
    findConnection: createBatchedCall({
      run: async (ids) => pick(ids, await findConnections(db, ids)),
      maxItems,
      maxInFlight,
    }),
    apply: createBatchedCall({
      run: (incoming) => applyReservations(db, incoming),
      maxItems,
      maxInFlight,
      keysOf: ({ connection, reservation }) => [
        `reservation ${connection.id} ${reservation.id}`,
        // Of two that overbook one listing, the second sees the first, so that the overlap is reported once.
        ...monthsOf(reservation).map((month) => `listing ${connection.id} ${reservation.listingId} ${month}`),
      ],
    }),
  }
}

// Counted from year 0; stays that share a night share a month.
function monthsOf({ arrivalDate, departureDate }: Reservation): number[] {
  if (arrivalDate == null || departureDate == null) return []
  const monthOf = (day: string) => Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7))
  const first = monthOf(arrivalDate)
  const count = Math.min(maxMonths, Math.max(1, monthOf(departureDate) - first + 1))
  return Array.from({ length: count }, (_, index) => first + index)
}

function pick<Row extends { id: string }>(ids: string[], rows: Row[]): Array<Row | undefined> {
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.map((id) => byId.get(id))
}
