import { type Kysely, sql, type Transaction } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { BookingRow, BookingStatus, Database, VersionKind } from '../db/tables.ts'
import type { BookingDraft } from '../mapping/booking-draft.ts'

/** Which version of a reservation a row holds, and from when on Hostaway itself was asked for it. */
export type ReservationVersion = { kind: VersionKind; at: Date; fetchedAt: Date | null }

export type CompleteDraft = BookingDraft & {
  listingId: string
  unitId: string
  status: BookingStatus
  sourceStatus: string
}

export type BookingWrite = {
  tenantId: string
  connectionId: string
  channel: string
  externalId: string
  draft: CompleteDraft
  /** The newest body, as a person may need it to map the booking again. */
  source: Record<string, unknown>
  version: ReservationVersion
}

/** Serialises everything that writes one reservation. Comes first in a transaction, before any row lock. */
export async function lockReservation(
  trx: Transaction<Database>,
  reservation: { connectionId: string; externalId: string },
): Promise<void> {
  const key = `reservation:${reservation.connectionId}:${reservation.externalId}`
  await sql`select pg_advisory_xact_lock(hashtextextended(${key}, 0))`.execute(trx)
}

export async function findBookingOfReservation(
  db: Kysely<Database>,
  reservation: { connectionId: string; externalId: string },
): Promise<BookingRow | undefined> {
  return db
    .selectFrom('bookings')
    .selectAll()
    .where('connection_id', '=', reservation.connectionId)
    .where('external_id', '=', reservation.externalId)
    .executeTakeFirst()
}

/** Creates or replaces the booking of a reservation; the caller holds its lock and has compared the versions. */
export async function upsertBooking(trx: Transaction<Database>, write: BookingWrite): Promise<BookingRow> {
  const { draft } = write
  const values = {
    listing_id: draft.listingId,
    unit_id: draft.unitId,
    status: draft.status,
    source_status: draft.sourceStatus,
    check_in: draft.checkIn,
    check_out: draft.checkOut,
    unit_count: draft.unitCount,
    guest_name: draft.guestName,
    guest_email: draft.guestEmail,
    guest_phone: draft.guestPhone,
    guests_total: draft.guestsTotal,
    guests_adults: draft.guestsAdults,
    guests_children: draft.guestsChildren,
    guests_infants: draft.guestsInfants,
    guests_pets: draft.guestsPets,
    amount_total: draft.amountTotal,
    amount_minor: draft.amountMinor,
    currency: draft.currency,
    channel_name: draft.channelName,
    confirmation_code: draft.confirmationCode,
    fields: JSON.stringify(draft.fields),
    source: JSON.stringify(write.source),
    version_kind: write.version.kind,
    version_at: write.version.at,
    fetched_at: write.version.fetchedAt,
    source_updated_at: write.version.kind === 'source' ? write.version.at : null,
  }
  return trx
    .insertInto('bookings')
    .values({
      id: uuid(),
      tenant_id: write.tenantId,
      connection_id: write.connectionId,
      channel: write.channel,
      external_id: write.externalId,
      ...values,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['connection_id', 'external_id'])
        .doUpdateSet({ ...values, updated_at: sql<Date>`clock_timestamp()` }),
    )
    .returningAll()
    .executeTakeFirstOrThrow()
}

export type BookingFilter = {
  tenantId: string | undefined
  connectionId?: string | undefined
  unitId?: string | undefined
  externalId?: string | undefined
  status?: BookingStatus | undefined
  /** Stays that touch this day or a later one. */
  from?: string | undefined
  /** Stays that touch this day or an earlier one. */
  to?: string | undefined
  updatedAfter?: Date | undefined
  after: string | undefined
  limit: number
}

export type BookingWithTenant = BookingRow & { tenant_slug: string }

export async function listBookings(
  db: Kysely<Database>,
  filter: BookingFilter,
): Promise<BookingWithTenant[]> {
  let query = selectBookings(db, filter.tenantId)
    .orderBy('bookings.id')
    .limit(filter.limit + 1)
  if (filter.connectionId !== undefined) query = query.where('connection_id', '=', filter.connectionId)
  if (filter.unitId !== undefined) query = query.where('unit_id', '=', filter.unitId)
  if (filter.externalId !== undefined) query = query.where('external_id', '=', filter.externalId)
  if (filter.status !== undefined) query = query.where('status', '=', filter.status)
  if (filter.from !== undefined) query = query.where('check_out', '>', filter.from)
  if (filter.to !== undefined) query = query.where('check_in', '<=', filter.to)
  if (filter.updatedAfter !== undefined) query = query.where('updated_at', '>', filter.updatedAfter)
  if (filter.after !== undefined) query = query.where('bookings.id', '>', filter.after)
  return query.execute()
}

export async function findBooking(
  db: Kysely<Database>,
  id: string,
  tenantId: string | undefined,
): Promise<BookingWithTenant | undefined> {
  return selectBookings(db, tenantId).where('bookings.id', '=', id).executeTakeFirst()
}

function selectBookings(db: Kysely<Database>, tenantId: string | undefined) {
  const query = db
    .selectFrom('bookings')
    .innerJoin('tenants', 'tenants.id', 'bookings.tenant_id')
    .selectAll('bookings')
    .select('tenants.slug as tenant_slug')
  return tenantId === undefined ? query : query.where('bookings.tenant_id', '=', tenantId)
}
