import type { Kysely } from 'kysely'
import type { Reservation } from '../../channels/contract/reservation.ts'
import { type Connection, findConnections } from '../../connections/connection-store.ts'
import { createBatcher } from '../../platform/batch.ts'
import type { Database, WebhookLogRow } from '../../platform/db/tables.ts'
import { toAppError } from '../../platform/errors.ts'
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
// One whose reservation is locked for long holds up no other, and leaves connections to the rest of the process.
const maxAlone = 8
const maxMonths = 120

export function createSharedStatements(db: Kysely<Database>): SharedStatements {
  const limits = { maxItems, maxInFlight, maxAlone, isItemFault }
  return {
    findWebhook: createBatcher({
      ...limits,
      run: async (ids: string[]) => pick(ids, await findWebhooks(db, ids)),
    }).add,
    findConnection: createBatcher({
      ...limits,
      run: async (ids: string[]) => pick(ids, await findConnections(db, ids)),
    }).add,
    apply: createBatcher({
      ...limits,
      run: (incoming: IncomingReservation[]) => applyReservations(db, incoming),
      keysOf: ({ connection, reservation }) => [
        `reservation ${connection.id} ${reservation.id}`,
        // Of two that overbook one listing, the second sees the first, so that the overlap is reported once.
        ...monthsOf(reservation).map((month) => `listing ${connection.id} ${reservation.listingId} ${month}`),
      ],
    }).add,
  }
}

// Other work stands in the way of one item, so the others may succeed alone; a database that is away fails them all.
function isItemFault(error: unknown): boolean {
  return toAppError(error).kind !== 'database_unavailable'
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
