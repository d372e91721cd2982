import { type Kysely, sql, type Transaction } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { ReservationDraft } from '../channels/contract/reservation-draft.ts'
import type { FieldVersions } from '../channels/contract/reservation-merge.ts'
import type { BookingDraft } from '../mapping/booking-draft.ts'
import { mappingLockKey } from '../mapping/mapping-lock.ts'
import { isOfReservations } from '../platform/db/key-pairs.ts'
import type {
  BookingRow,
  BookingStatus,
  Database,
  NewBookingRow,
  VersionKind,
} from '../platform/db/tables.ts'
import { bookingIdOfMarker } from './booking-marker.ts'
import type { DesiredBooking } from './desired-booking.ts'

/**
 * Which version of a reservation a row holds, and from when on the channel itself was asked for it. `fields` are those
 * that are of another version, where bodies said less than everything; left out = none.
 */
export type ReservationVersion = {
  kind: VersionKind
  at: Date
  fetchedAt: Date | null
  fields?: FieldVersions | null
}

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
  /** The newest body, as a person may need it to map the booking again; null where the channel has sent none. */
  source: Record<string, unknown> | null
  version: ReservationVersion
  /** What TVL wrote of a booking that it makes; kept as it is where the booking exists. */
  reservationDraft?: ReservationDraft | undefined
}

export type ReservationKey = { connectionId: string; externalId: string }

/**
 * Serialises everything that writes these reservations, and keeps the mappings of their connections as they are
 * meanwhile, of fields and of listings. Comes first in a transaction, before any row lock. Locks in sorted order,
 * mappings before reservations, so that two transactions never wait for each other.
 */
export async function lockReservations(
  trx: Transaction<Database>,
  reservations: ReservationKey[],
): Promise<void> {
  const mappings = new Set(reservations.map(({ connectionId }) => mappingLockKey(connectionId)))
  const keys = reservations
    .map(({ connectionId, externalId }) => `reservation:${connectionId}:${externalId}`)
    .sort()
  await sql`
    select pg_advisory_xact_lock_shared(hashtextextended(key, 0)) from unnest(${[...mappings].sort()}::text[]) as key
    union all
    select pg_advisory_xact_lock(hashtextextended(key, 0)) from unnest(${keys}::text[]) as key
  `.execute(trx)
}

export async function findBookingOfReservation(
  db: Kysely<Database>,
  reservation: ReservationKey,
): Promise<BookingRow | undefined> {
  const [booking] = await findBookingsOfReservations(db, [reservation])
  return booking
}

/** The bookings that there are of these reservations, in no order. */
export async function findBookingsOfReservations(
  db: Kysely<Database>,
  reservations: ReservationKey[],
): Promise<BookingRow[]> {
  return db.selectFrom('bookings').selectAll().where(isOfReservations(reservations)).execute()
}

/** Creates or replaces the bookings of reservations; the caller holds their locks and has compared the versions. Returns them in the same order. */
export async function upsertBookings(
  trx: Transaction<Database>,
  writes: BookingWrite[],
): Promise<BookingRow[]> {
  if (writes.length === 0) return []
  const rows = await trx
    .insertInto('bookings')
    .values(writes.map(toBookingRow))
    .onConflict((conflict) =>
      conflict.columns(['connection_id', 'external_id']).doUpdateSet((eb) => ({
        ...Object.fromEntries(
          [...replaced, 'source' as const].map((column) => [column, eb.ref(`excluded.${column}`)]),
        ),
        updated_at: sql<Date>`clock_timestamp()`,
      })),
    )
    // Without the source, which is most of the row and known here.
    .returning([...kept, ...replaced, 'created_at', 'updated_at'])
    .execute()
  return writes.map((write) => {
    const row = rows.find(
      ({ connection_id, external_id }) =>
        connection_id === write.connectionId && external_id === write.externalId,
    )
    if (row === undefined) throw new Error('The database did not return a booking that it wrote')
    return { ...row, source: write.source }
  })
}

const kept = [
  'id',
  'tenant_id',
  'connection_id',
  'channel',
  'external_id',
  'origin',
  'desired',
  'draft',
] as const
/** The columns that a newer version replaces, beside the source. */
export const replaced = [
  'listing_id',
  'unit_id',
  'status',
  'source_status',
  'check_in',
  'check_out',
  'unit_count',
  'guest_name',
  'guest_email',
  'guest_phone',
  'guests_total',
  'guests_adults',
  'guests_children',
  'guests_infants',
  'guests_pets',
  'amount_total',
  'amount_minor',
  'currency',
  'channel_name',
  'confirmation_code',
  'fields',
  'mapping_version',
  'mapping_warnings',
  'version_kind',
  'version_at',
  'fetched_at',
  'field_versions',
  'source_updated_at',
] as const

/** A booking as it is written. */
export function toBookingRow(write: BookingWrite): NewBookingRow {
  const { draft, version } = write
  const madeHere = bookingIdOfMarker(write.externalId)
  return {
    id: madeHere ?? uuid(),
    origin: madeHere === undefined ? 'channel' : 'tvl',
    desired: madeHere === undefined ? null : '{}',
    tenant_id: write.tenantId,
    connection_id: write.connectionId,
    channel: write.channel,
    external_id: write.externalId,
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
    mapping_version: draft.mappingVersion,
    mapping_warnings: JSON.stringify(draft.warnings),
    draft: write.reservationDraft === undefined ? null : JSON.stringify(write.reservationDraft),
    source: write.source === null ? null : JSON.stringify(write.source),
    version_kind: version.kind,
    version_at: version.at,
    fetched_at: version.fetchedAt,
    field_versions: version.fields == null ? null : JSON.stringify(version.fields),
    source_updated_at: version.kind === 'source' ? version.at : null,
  }
}

/** Replaces what TVL wrote of a booking that it made; the caller holds the lock of its reservation. */
export async function writeDraft(
  trx: Transaction<Database>,
  bookingId: string,
  draft: ReservationDraft,
): Promise<void> {
  await trx
    .updateTable('bookings')
    .set({ draft: JSON.stringify(draft) })
    .where('id', '=', bookingId)
    .execute()
}

/** Replaces what is desired of a booking; the caller holds the lock of its reservation. */
export async function writeDesiredBooking(
  trx: Transaction<Database>,
  bookingId: string,
  desired: DesiredBooking,
): Promise<void> {
  await trx
    .updateTable('bookings')
    .set({ desired: JSON.stringify(desired) })
    .where('id', '=', bookingId)
    .execute()
}

/** Moves bookings on a listing to its unit; returns those that moved, in no order. Safe to repeat. */
export async function moveBookings(
  trx: Transaction<Database>,
  { connectionId, listingId, unitId }: { connectionId: string; listingId: string; unitId: string },
  externalIds: string[],
): Promise<BookingRow[]> {
  return (
    trx
      .updateTable('bookings')
      .set({ unit_id: unitId, updated_at: sql<Date>`clock_timestamp()` })
      .where('connection_id', '=', connectionId)
      .where('external_id', '=', sql<string>`any(${externalIds})`)
      // Its nights may be on this listing by a version that could not become its booking yet.
      .where('listing_id', '=', listingId)
      .where('unit_id', '<>', unitId)
      .returningAll()
      .execute()
  )
}

/** Notes which mapping made these bookings, where that is all that has changed about them. */
export async function noteMapping(
  trx: Transaction<Database>,
  bookingIds: string[],
  mappingVersion: number,
): Promise<void> {
  if (bookingIds.length === 0) return
  await trx
    .updateTable('bookings')
    .set({ mapping_version: mappingVersion })
    .where('id', '=', sql<string>`any(${bookingIds}::uuid[])`)
    .where('mapping_version', '<>', mappingVersion)
    .execute()
}

export const bookingSorts = [
  'createdAt',
  '-createdAt',
  'updatedAt',
  '-updatedAt',
  'checkIn',
  '-checkIn',
] as const
export type BookingSort = (typeof bookingSorts)[number]

export type BookingFilter = {
  tenantId: string | undefined
  connectionId?: string | undefined
  unitId?: string | undefined
  externalId?: string | undefined
  statuses?: BookingStatus[] | undefined
  /** Stays that touch this day or a later one. */
  from?: string | undefined
  /** Stays that touch this day or an earlier one. */
  to?: string | undefined
  arrivalFrom?: string | undefined
  arrivalTo?: string | undefined
  /** In any case. */
  confirmationCode?: string | undefined
  /** A part of the guest's name or e-mail address, the confirmation code or an id, in any case. */
  q?: string | undefined
  updatedAfter?: Date | undefined
  /** Default: in the order of creation. */
  sort?: BookingSort | undefined
  /** `bookingPosition` of the last row of the page before. */
  after: string | undefined
  limit: number
}

export type BookingWithTenant = BookingRow & { tenant_slug: string; sorted_at?: string }

// A booking's id grows with its creation.
const sortedBy = {
  createdAt: sql`bookings.id`,
  updatedAt: sql`bookings.updated_at`,
  checkIn: sql`coalesce(bookings.check_in, 'infinity'::date)`,
}
const castTo = { createdAt: sql`uuid`, updatedAt: sql`timestamptz`, checkIn: sql`date` }

function readSort(sort: BookingSort) {
  const isDown = sort.startsWith('-')
  return { key: sort.replace('-', '') as keyof typeof sortedBy, isDown }
}

/** Where a booking stands in a list that is sorted so. */
export function bookingPosition(row: BookingWithTenant, sort: BookingSort = 'createdAt'): string {
  const { key } = readSort(sort)
  if (key === 'createdAt') return row.id
  return `${key === 'updatedAt' ? row.sorted_at : (row.check_in ?? 'infinity')}_${row.id}`
}

/** One row more than `limit`, sorted and after the position as the filter says. */
export async function listBookings(
  db: Kysely<Database>,
  filter: BookingFilter,
): Promise<BookingWithTenant[]> {
  const { key, isDown } = readSort(filter.sort ?? 'createdAt')
  const direction = isDown ? 'desc' : 'asc'
  let query = selectBookings(db, filter.tenantId)
    // Microseconds, which a Date lacks.
    .select(sql<string>`bookings.updated_at::text`.as('sorted_at'))
    .orderBy(sortedBy[key], direction)
    .limit(filter.limit + 1)
  if (key !== 'createdAt') query = query.orderBy('bookings.id', direction)
  if (filter.connectionId !== undefined) query = query.where('connection_id', '=', filter.connectionId)
  if (filter.unitId !== undefined) query = query.where('unit_id', '=', filter.unitId)
  if (filter.externalId !== undefined) query = query.where('external_id', '=', filter.externalId)
  if (filter.statuses !== undefined) query = query.where('status', 'in', filter.statuses)
  if (filter.from !== undefined) query = query.where('check_out', '>', filter.from)
  if (filter.to !== undefined) query = query.where('check_in', '<=', filter.to)
  if (filter.arrivalFrom !== undefined)
    query = query.where(sortedBy.checkIn, '>=', sql`${filter.arrivalFrom}::date`)
  if (filter.arrivalTo !== undefined)
    query = query.where(sortedBy.checkIn, '<=', sql`${filter.arrivalTo}::date`)
  if (filter.confirmationCode !== undefined)
    query = query.where(sql`lower(confirmation_code)`, '=', sql`lower(${filter.confirmationCode})`)
  if (filter.q !== undefined) {
    const words = sql`lower(concat_ws(' ', guest_name, guest_email, confirmation_code, external_id, bookings.id))`
    query = query.where(sql<boolean>`position(lower(${filter.q}) in ${words}) > 0`)
  }
  if (filter.updatedAfter !== undefined) query = query.where('updated_at', '>', filter.updatedAfter)
  if (filter.after !== undefined) {
    const than = isDown ? sql`<` : sql`>`
    const [first = '', id = ''] = filter.after.split('_')
    query = query.where(
      key === 'createdAt'
        ? sql<boolean>`bookings.id ${than} ${first}::uuid`
        : sql<boolean>`(${sortedBy[key]}, bookings.id) ${than} (${first}::${castTo[key]}, ${id}::uuid)`,
    )
  }
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
