import type { Transaction } from 'kysely'
import type { Reservation } from '../../channels/contract/reservation.ts'
import { type MergedReservation, mergeReservation } from '../../channels/contract/reservation-merge.ts'
import { parseReservation } from '../../channels/hostaway/wire/reservation.ts'
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

/** Reads what is stored of these reservations, in the same order; the caller holds their locks. */
export async function readStoredReservations(
  trx: Transaction<Database>,
  keys: ReservationKey[],
): Promise<StoredReservation[]> {
  if (keys.length === 0) return []
  const bookings = byReservation(await findBookingsOfReservations(trx, keys))
  const queue = byReservation(await findQueuedReservations(trx, keys))
  const blocks = byReservation(await findBlocks(trx, keys))
  return keys.map((key) => {
    const name = nameOf(key)
    const booking = bookings.get(name)
    const queued = queue.get(name)
    return { booking, queued, block: blocks.get(name), newest: newestOf(booking, queued) }
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
  { newest }: StoredReservation,
): { reservation: Reservation; version: ReservationVersion } {
  // As it is under the lock: parts of it may have come after it was read.
  if (isStored === true && newest !== undefined && newest.reservation !== null) {
    return { reservation: newest.reservation, version: newest.version }
  }
  const known = newest === undefined ? undefined : knownOf(newest)
  const merged = mergeReservation(known, { reservation, version: versionText(version) })
  const { fields: _, ...newer } = newest === undefined ? version : newerVersion(newest.version, version)
  return { reservation: merged.reservation, version: { ...newer, fields: merged.fields } }
}

/** Groups rows that belong to reservations, at most one each. */
export function byReservation<Row extends { connection_id: string; external_id: string }>(
  rows: Row[],
): Map<string, Row> {
  return new Map(
    rows.map((row) => [nameOf({ connectionId: row.connection_id, externalId: row.external_id }), row]),
  )
}

/** One text for a reservation, to tell it from others. */
export function nameOf({ connectionId, externalId }: ReservationKey): string {
  return `${connectionId}:${externalId}`
}

function newestOf(
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
  return { version, reservation: parseReservation(source).reservation }
}
