import type { Transaction } from 'kysely'
import { sql } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import { type Block, putBlocks } from './block-store.ts'

/** Nights that are desired for a booking beside those that Hostaway holds for it; none where `claimed` is empty. */
export type BookingClaims = {
  tenantId: string
  connectionId: string
  bookingId: string
  claimed: Block[]
}

// Two at most: what lies before the nights that are held, and what lies behind them.
const claimsPerBooking = 2

/** The key of a claim where reservations have their id; no reservation has such a one. */
export function claimName(bookingId: string, index: number): string {
  return `claim-${bookingId}-${index + 1}`
}

/** The nights that a desired value asks for and that are not held yet. Pure. */
export function claimedNights(held: Block | null, desired: Block | null): Block[] {
  if (desired === null) return []
  const isElsewhere =
    held === null ||
    held.listingId !== desired.listingId ||
    held.departure <= desired.firstNight ||
    desired.departure <= held.firstNight
  if (isElsewhere) return [desired]
  return [
    { ...desired, departure: held.firstNight },
    { ...desired, firstNight: held.departure },
  ].filter(({ firstNight, departure }) => firstNight < departure)
}

/** Makes these the only claims of the bookings. The caller holds the locks of their reservations and units. */
export async function insertBlocksOfClaims(
  trx: Transaction<Database>,
  bookings: BookingClaims[],
): Promise<void> {
  if (bookings.length === 0) return
  const names = bookings.flatMap(({ connectionId, bookingId }) =>
    Array.from({ length: claimsPerBooking }, (_, index) => ({
      connectionId,
      externalId: claimName(bookingId, index),
    })),
  )
  await sql`
    delete from availability_blocks
    where (connection_id, external_id) in (select * from unnest(
      ${names.map(({ connectionId }) => connectionId)}::uuid[],
      ${names.map(({ externalId }) => externalId)}::text[]))
  `.execute(trx)
  await putBlocks(
    trx,
    bookings.flatMap(({ claimed, bookingId, ...booking }) =>
      claimed.map((block, index) => ({
        ...booking,
        bookingId,
        externalId: claimName(bookingId, index),
        block,
      })),
    ),
  )
}
