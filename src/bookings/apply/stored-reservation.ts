import type { Transaction } from 'kysely'
import type { Reservation, ReservationFormat } from '../../channels/contract/reservation.ts'
import type { ReservationDraft } from '../../channels/contract/reservation-draft.ts'
import { overDraft, wasSent } from '../../channels/contract/reservation-format.ts'
import { type MergedReservation, mergeReservation } from '../../channels/contract/reservation-merge.ts'
import type { BlockRow, BookingQueueRow, BookingRow, Database } from '../../platform/db/tables.ts'
import { findQueuedReservations } from '../approval-store.ts'
import { findBlocks } from '../block-store.ts'
import { findBookingsOfReservations, type ReservationKey, type ReservationVersion } from '../booking-store.ts'
import type { IncomingReservation } from './incoming-reservation.ts'
import { newerVersion, versionText } from './reservation-version.ts'

/** All that is stored of one reservation. */
export type StoredReservation = {
  booking: BookingRow | undefined
  queued: BookingQueueRow | undefined
  block: BlockRow | undefined
  /** The newest version of it that was applied. */
  newest: { version: ReservationVersion; reservation: Reservation | null } | undefined
}

/** A reservation, and how its channel spells it. */
export type FormattedKey = ReservationKey & { format: ReservationFormat }

/** Reads what is stored of these reservations, in the same order; the caller holds their locks. */
export async function readStoredReservations(
  trx: Transaction<Database>,
  keys: FormattedKey[],
): Promise<StoredReservation[]> {
  if (keys.length === 0) return []
  const bookings = byReservation(await findBookingsOfReservations(trx, keys))
  const queue = byReservation(await findQueuedReservations(trx, keys))
  const blocks = byReservation(await findBlocks(trx, keys))
  return keys.map((key) => {
    const name = nameOf(key)
    const booking = bookings.get(name)
    const queued = queue.get(name)
    return { booking, queued, block: blocks.get(name), newest: newestOf(key.format, booking, queued) }
  })
}

/** What is known of a reservation, field by field; undefined where what is stored cannot be read any more. */
export function knownOf({
  version,
  reservation,
}: NonNullable<StoredReservation['newest']>): MergedReservation | undefined {
  if (reservation === null) return undefined
  return { reservation, version: versionText(version), fields: version.fields ?? null }
}

/** What came in together with what is stored: each field as the newest body has it that speaks of it. */
export function mergedWithStored(
  { reservation, version, isStored }: IncomingReservation,
  { newest, booking }: StoredReservation,
): { reservation: Reservation; version: ReservationVersion } {
  // As it is under the lock: parts of it may have come after it was read.
  if (isStored === true && newest !== undefined && newest.reservation !== null) {
    return { reservation: newest.reservation, version: newest.version }
  }
  const known = newest === undefined ? undefined : knownOf(newest)
  const merged = mergeReservation(known, { reservation, version: versionText(version) })
  const { fields: _, ...newer } = newest === undefined ? version : newerVersion(newest.version, version)
  const whole = wasSent(merged.reservation)
    ? overDraft(merged.reservation, draftOf(booking))
    : merged.reservation
  return { reservation: whole, version: { ...newer, fields: merged.fields } }
}

/** Groups rows that belong to reservations, at most one each. */
export function byReservation<Row extends { connection_id: string; external_id: string }>(
  rows: Row[],
): Map<string, Row> {
  return new Map(
    rows.map((row) => [nameOf({ connectionId: row.connection_id, externalId: row.external_id }), row]),
  )
}

/** One text that identifies a reservation. */
export function nameOf({ connectionId, externalId }: ReservationKey): string {
  return `${connectionId}:${externalId}`
}

function newestOf(
  format: ReservationFormat,
  booking: BookingRow | undefined,
  queued: BookingQueueRow | undefined,
): StoredReservation['newest'] {
  // The queued row comes last: of two equal versions it holds the later one, which could not be mapped.
  const versions = [booking, queued].flatMap((row) =>
    row === undefined
      ? []
      : [
          {
            kind: row.version_kind,
            at: row.version_at,
            fetchedAt: row.fetched_at,
            fields: row.field_versions,
            source: row.source,
          },
        ],
  )
  if (versions.length === 0) return undefined
  const { source, ...version } = versions.reduce(newerVersion)
  return { version, reservation: read(format, source, draftOf(booking)) }
}

/** What TVL wrote of a booking that it made; null for every other one. */
export function draftOf(booking: Pick<BookingRow, 'draft'> | undefined): ReservationDraft | null {
  return (booking?.draft ?? null) as ReservationDraft | null
}

/** The reservation of a booking as its channel holds it, or as it was drafted where the channel has sent nothing yet. */
export function reservationOf(format: ReservationFormat, booking: BookingRow): Reservation {
  const reservation = read(format, booking.source, draftOf(booking))
  if (reservation === null) throw new Error('The stored body of a booking cannot be read')
  return reservation
}

function read(
  format: ReservationFormat,
  source: unknown,
  draft: ReservationDraft | null,
): Reservation | null {
  const { reservation } = format.parse(source)
  if (reservation !== null) return overDraft(reservation, draft)
  return draft === null ? null : format.ofDraft(draft)
}
