import { type Kysely, sql, type Transaction } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { ReservationKey, ReservationVersion } from '../bookings/booking-store.ts'
import { isOfReservations } from '../db/key-pairs.ts'
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

/** The rows that there are of these reservations, in no order. */
export async function findQueuedReservations(
  db: Kysely<Database>,
  reservations: ReservationKey[],
): Promise<BookingQueueRow[]> {
  return db.selectFrom('hostaway_booking_queue').selectAll().where(isOfReservations(reservations)).execute()
}

/** Creates or replaces the one row of each reservation that waits for a person; the caller holds the reservations' locks. */
export async function upsertQueuedReservations(
  trx: Transaction<Database>,
  queued: QueuedReservation[],
): Promise<void> {
  if (queued.length === 0) return
  await trx
    .insertInto('hostaway_booking_queue')
    .values(
      queued.map((one) => ({
        id: uuid(),
        tenant_id: one.tenantId,
        connection_id: one.connectionId,
        external_id: one.externalId,
        listing_id: one.draft.listingId,
        status: one.status,
        problems: JSON.stringify(one.problems),
        draft: JSON.stringify(one.draft),
        source: JSON.stringify(one.source),
        source_status: one.draft.sourceStatus,
        version_kind: one.version.kind,
        version_at: one.version.at,
        fetched_at: one.version.fetchedAt,
        webhook_id: one.webhookId,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['connection_id', 'external_id']).doUpdateSet((eb) => ({
        listing_id: eb.ref('excluded.listing_id'),
        status: eb.ref('excluded.status'),
        problems: eb.ref('excluded.problems'),
        draft: eb.ref('excluded.draft'),
        source: eb.ref('excluded.source'),
        source_status: eb.ref('excluded.source_status'),
        version_kind: eb.ref('excluded.version_kind'),
        version_at: eb.ref('excluded.version_at'),
        fetched_at: eb.ref('excluded.fetched_at'),
        webhook_id: eb.ref('excluded.webhook_id'),
        updated_at: sql<Date>`clock_timestamp()`,
      })),
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

/**
 * The webhooks of reservations that wait for a listing which is known and mapped by now. A row that still lacks
 * something else does not name the listing among its problems any more, and is not found again.
 */
export async function findReleasedWebhooks(db: Kysely<Database>, limit: number): Promise<string[]> {
  const { rows } = await sql<{ webhook_id: string }>`
    select queued.webhook_id
    from hostaway_booking_queue queued
    join listings listing
      on listing.connection_id = queued.connection_id and listing.listing_id = queued.listing_id
    where queued.status = 'pending' and listing.unit_id is not null and queued.webhook_id is not null
      and (queued.problems @> '[{"code": "unknown_listing"}]' or queued.problems @> '[{"code": "unmapped_listing"}]')
    limit ${limit}
  `.execute(db)
  return rows.map(({ webhook_id }) => webhook_id)
}
