import { type Kysely, sql, type Transaction } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { ReservationVersion } from '../bookings/booking-store.ts'
import type { ApprovalStatus, BookingQueueRow, Database } from '../db/tables.ts'
import type { BookingDraft, MappingProblem } from '../mapping/booking-draft.ts'

export type QueuedReservation = {
  tenantId: string
  connectionId: string
  externalId: string
  status: ApprovalStatus
  draft: BookingDraft
  problems: MappingProblem[]
  source: Record<string, unknown>
  version: ReservationVersion
  webhookId: string | null
}

export async function findQueuedReservation(
  db: Kysely<Database>,
  reservation: { connectionId: string; externalId: string },
): Promise<BookingQueueRow | undefined> {
  return db
    .selectFrom('hostaway_booking_queue')
    .selectAll()
    .where('connection_id', '=', reservation.connectionId)
    .where('external_id', '=', reservation.externalId)
    .executeTakeFirst()
}

/** Creates or replaces the one row of a reservation that waits for a person; the caller holds the reservation's lock. */
export async function upsertQueuedReservation(
  trx: Transaction<Database>,
  queued: QueuedReservation,
): Promise<void> {
  const values = {
    listing_id: queued.draft.listingId,
    status: queued.status,
    problems: JSON.stringify(queued.problems),
    draft: JSON.stringify(queued.draft),
    source: JSON.stringify(queued.source),
    source_status: queued.draft.sourceStatus,
    version_kind: queued.version.kind,
    version_at: queued.version.at,
    fetched_at: queued.version.fetchedAt,
    webhook_id: queued.webhookId,
  }
  await trx
    .insertInto('hostaway_booking_queue')
    .values({
      id: uuid(),
      tenant_id: queued.tenantId,
      connection_id: queued.connectionId,
      external_id: queued.externalId,
      ...values,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['connection_id', 'external_id'])
        .doUpdateSet({ ...values, updated_at: sql<Date>`clock_timestamp()` }),
    )
    .execute()
}

export type QueueFilter = {
  tenantId: string | undefined
  status?: ApprovalStatus | undefined
  connectionId?: string | undefined
  after: string | undefined
  limit: number
}

export async function listQueuedReservations(
  db: Kysely<Database>,
  filter: QueueFilter,
): Promise<BookingQueueRow[]> {
  let query = db
    .selectFrom('hostaway_booking_queue')
    .selectAll()
    .orderBy('id')
    .limit(filter.limit + 1)
  if (filter.tenantId !== undefined) query = query.where('tenant_id', '=', filter.tenantId)
  if (filter.status !== undefined) query = query.where('status', '=', filter.status)
  if (filter.connectionId !== undefined) query = query.where('connection_id', '=', filter.connectionId)
  if (filter.after !== undefined) query = query.where('id', '>', filter.after)
  return query.execute()
}

export async function findQueuedReservationById(
  db: Kysely<Database>,
  id: string,
  tenantId: string | undefined,
): Promise<BookingQueueRow | undefined> {
  let query = db.selectFrom('hostaway_booking_queue').selectAll().where('id', '=', id)
  if (tenantId !== undefined) query = query.where('tenant_id', '=', tenantId)
  return query.executeTakeFirst()
}
