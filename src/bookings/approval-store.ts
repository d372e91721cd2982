import { type Kysely, sql, type Transaction } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { BookingDraft, MappingProblem } from '../mapping/booking-draft.ts'
import { type BookingOverrides, noOverrides } from '../mapping/booking-overrides.ts'
import { isOfReservations } from '../platform/db/key-pairs.ts'
import type { ApprovalStatus, BookingQueueRow, Database } from '../platform/db/tables.ts'
import type { ReservationKey, ReservationVersion } from './booking-store.ts'

export type QueuedReservation = {
  tenantId: string
  connectionId: string
  externalId: string
  status: ApprovalStatus
  draft: BookingDraft
  problems: MappingProblem[]
  overrides: BookingOverrides
  source: Record<string, unknown>
  version: ReservationVersion
  webhookId: string | null
}

/** The decision of a manager about a reservation that waits or waited. */
export function overridesOf(row: Pick<BookingQueueRow, 'overrides'> | undefined): BookingOverrides {
  return row === undefined ? noOverrides : { ...noOverrides, ...(row.overrides as BookingOverrides) }
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
        overrides: JSON.stringify(one.overrides),
        source: JSON.stringify(one.source),
        source_status: one.draft.sourceStatus,
        version_kind: one.version.kind,
        version_at: one.version.at,
        fetched_at: one.version.fetchedAt,
        field_versions: one.version.fields == null ? null : JSON.stringify(one.version.fields),
        webhook_id: one.webhookId,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['connection_id', 'external_id']).doUpdateSet((eb) => ({
        listing_id: eb.ref('excluded.listing_id'),
        status: eb.ref('excluded.status'),
        problems: eb.ref('excluded.problems'),
        draft: eb.ref('excluded.draft'),
        overrides: eb.ref('excluded.overrides'),
        source: eb.ref('excluded.source'),
        source_status: eb.ref('excluded.source_status'),
        version_kind: eb.ref('excluded.version_kind'),
        version_at: eb.ref('excluded.version_at'),
        fetched_at: eb.ref('excluded.fetched_at'),
        field_versions: eb.ref('excluded.field_versions'),
        webhook_id: eb.ref('excluded.webhook_id'),
        updated_at: sql<Date>`clock_timestamp()`,
      })),
    )
    .execute()
}

/** Notes who decided and when; a rejection with its reason. The caller holds the reservation's lock. */
export async function noteDecision(
  trx: Transaction<Database>,
  id: string,
  decision: { status: 'imported' | 'rejected'; by: string; reason: string | null },
): Promise<void> {
  await trx
    .updateTable('hostaway_booking_queue')
    .set({
      status: decision.status,
      decided_at: sql<Date>`clock_timestamp()`,
      decided_by: decision.by,
      rejection_reason: decision.reason,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .execute()
}

/** Notes that a row which waits for nothing any more could not be written; one that has a newer version is left alone. */
export async function noteUnstorable(
  db: Kysely<Database>,
  { id, version_at }: Pick<BookingQueueRow, 'id' | 'version_at'>,
  problem: MappingProblem,
): Promise<void> {
  await db
    .updateTable('hostaway_booking_queue')
    .set({
      status: 'failed',
      problems: JSON.stringify([problem]),
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .where('status', 'in', ['pending', 'mapped'])
    .where('version_at', '=', version_at)
    .execute()
}

export type QueueFilter = {
  tenantId: string | undefined
  status?: ApprovalStatus | undefined
  connectionId?: string | undefined
  after: string | undefined
  limit: number
}

/** A row with the id of the booking that its reservation has, if it has one. */
export type QueuedRow = BookingQueueRow & { booking_id: string | null }

export async function listQueuedReservations(
  db: Kysely<Database>,
  filter: QueueFilter,
): Promise<QueuedRow[]> {
  let query = selectQueued(db)
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
): Promise<QueuedRow | undefined> {
  let query = selectQueued(db).where('id', '=', id)
  if (tenantId !== undefined) query = query.where('tenant_id', '=', tenantId)
  return query.executeTakeFirst()
}

/**
 * Reservations that wait for a listing which is known and mapped by now, of one listing or of all. A row that still
 * lacks something else does not name the listing among its problems any more, and is not found again.
 */
export async function findReleasedReservations(
  db: Kysely<Database>,
  { listing, limit }: { listing: { connectionId: string; listingId: string } | undefined; limit: number },
): Promise<BookingQueueRow[]> {
  let query = db
    .selectFrom('hostaway_booking_queue as queued')
    .innerJoin('listings', (join) =>
      join
        .onRef('listings.connection_id', '=', 'queued.connection_id')
        .onRef('listings.listing_id', '=', 'queued.listing_id'),
    )
    .innerJoin('hostaway_connections', 'hostaway_connections.id', 'queued.connection_id')
    .selectAll('queued')
    .where('queued.status', '=', 'pending')
    .where('listings.unit_id', 'is not', null)
    .where('hostaway_connections.status', 'in', ['active', 'needs_reauth'])
    .where(
      sql<boolean>`(queued.problems @> '[{"code": "unknown_listing"}]' or queued.problems @> '[{"code": "unmapped_listing"}]')`,
    )
    .limit(limit)
  if (listing !== undefined) {
    query = query
      .where('queued.connection_id', '=', listing.connectionId)
      .where('queued.listing_id', '=', listing.listingId)
  }
  return query.execute()
}

/** Complete reservations that wait for an approval which their connection no longer requires. */
export async function findReservationsToImport(
  db: Kysely<Database>,
  { limit }: { limit: number },
): Promise<BookingQueueRow[]> {
  return (
    db
      .selectFrom('hostaway_connections')
      .innerJoin('hostaway_booking_queue as queued', (join) =>
        join
          // The index is by tenant.
          .onRef('queued.tenant_id', '=', 'hostaway_connections.tenant_id')
          .onRef('queued.connection_id', '=', 'hostaway_connections.id'),
      )
      .innerJoin('listings', (join) =>
        join
          .onRef('listings.connection_id', '=', 'queued.connection_id')
          .onRef('listings.listing_id', '=', 'queued.listing_id'),
      )
      .selectAll('queued')
      .where('hostaway_connections.auto_import', '=', true)
      .where('hostaway_connections.status', 'in', ['active', 'needs_reauth'])
      .where('queued.status', '=', 'mapped')
      // One whose listing was taken off its unit would be found for ever.
      .where('listings.unit_id', 'is not', null)
      .limit(limit)
      .execute()
  )
}

/** Shows in the rows that wait, or were rejected, that their listing stands for another unit; not where a person chose one. */
export async function moveDrafts(
  trx: Transaction<Database>,
  { connectionId, listingId, unitId }: { connectionId: string; listingId: string; unitId: string },
): Promise<void> {
  await sql`
    update hostaway_booking_queue
    set draft = jsonb_set(draft, '{unitId}', to_jsonb(${unitId}::text)), updated_at = clock_timestamp()
    where connection_id = ${connectionId} and listing_id = ${listingId}
      and status in ('pending', 'mapped', 'failed', 'rejected')
      and draft ->> 'unitId' <> ${unitId} and not overrides ? 'unit'
  `.execute(trx)
}

function selectQueued(db: Kysely<Database>) {
  return db
    .selectFrom('hostaway_booking_queue')
    .selectAll()
    .select(
      sql<string | null>`(select booking.id from bookings booking
      where booking.connection_id = hostaway_booking_queue.connection_id
        and booking.external_id = hostaway_booking_queue.external_id)`.as('booking_id'),
    )
}
