import { isDeepStrictEqual } from 'node:util'
import type { Kysely, Transaction } from 'kysely'
import type { ReservationFormat } from '../../channels/contract/reservation.ts'
import { findListings } from '../../listings/listing-store.ts'
import type { Database } from '../../platform/db/tables.ts'
import { endQueuedWebhooks, type QueuedEnd } from '../../webhooks/webhook-log.ts'
import type { ReservationOwner } from '../apply/incoming-reservation.ts'
import type { CandidateMapping } from '../apply/map-reservations.ts'
import { readStoredReservations, type StoredReservation } from '../apply/stored-reservation.ts'
import {
  bookingWriteOf,
  type PlannedWrite,
  planWrites,
  type ReservationWrite,
  type Written,
  writePlanned,
} from '../apply/write-reservations.ts'
import { changesBooking } from '../booking-change.ts'
import { lockReservations, noteMapping } from '../booking-store.ts'

/** The connection whose reservations are mapped again, and how its channel spells them. */
export type Remapped = { connection: ReservationOwner; format: ReservationFormat }

/** What mapping some reservations again came to. */
export type RemapCounts = {
  /** Bookings and waiting rows that say something else now. */
  changed: number
  /** Reservations that wait for a person now. */
  waiting: number
}

/**
 * Maps stored reservations of one connection again, each from the newest body that was applied, in one transaction
 * with whatever `commit` writes. Takes the same locks and the same path as a webhook, so that whichever comes second
 * sees the first. An unchanged booking is not written and emits no event. Safe to repeat.
 */
export async function remapReservations(
  db: Kysely<Database>,
  remapped: Remapped,
  externalIds: string[],
  commit: (trx: Transaction<Database>, counts: RemapCounts) => Promise<void>,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const connectionId = remapped.connection.id
    await lockReservations(
      trx,
      externalIds.map((externalId) => ({ connectionId, externalId })),
    )
    const planned = await planRemap(trx, remapped, externalIds)
    const changed = planned.filter(changesAnything)
    const written = await writePlanned(trx, changed)
    await endQueuedWebhooks(
      trx,
      written.flatMap((one) => endOfWaiting(one) ?? []),
    )
    await noteSameBookings(trx, planned)
    await commit(trx, {
      changed: changed.length,
      waiting: planned.filter(({ plan: { approval } }) => approval === 'pending' || approval === 'mapped')
        .length,
    })
  })
}

/**
 * Decides what mapping stored reservations again would come to; nothing is written. With `candidate` by that mapping
 * (undefined in it is the default one), otherwise by the one in force.
 */
export async function planRemap(
  trx: Transaction<Database>,
  { connection, format }: Remapped,
  externalIds: string[],
  candidate?: CandidateMapping,
): Promise<PlannedWrite[]> {
  const keys = externalIds.map((externalId) => ({ connectionId: connection.id, externalId, format }))
  const writes = await toWrites(trx, connection, await readStoredReservations(trx, keys))
  return planWrites(trx, writes, candidate)
}

async function toWrites(
  trx: Transaction<Database>,
  connection: ReservationOwner,
  stored: StoredReservation[],
): Promise<ReservationWrite[]> {
  const readable = stored.flatMap((one) => {
    const reservation = one.newest?.reservation
    return one.newest === undefined || reservation == null || !isMappable(one)
      ? []
      : [{ stored: one, reservation, version: one.newest.version }]
  })
  const listings = await findListings(
    trx,
    readable.flatMap(({ reservation: { listingId } }) =>
      listingId === undefined ? [] : [{ connectionId: connection.id, listingId }],
    ),
  )
  return readable.map(({ stored: one, reservation, version }) => ({
    incoming: { connection, reservation, version, webhook: null },
    reservation,
    stored: one,
    listing: listings.find(({ listing_id }) => listing_id === reservation.listingId),
  }))
}

// A rejected or withdrawn reservation is not mapped again.
function isMappable({ booking, queued }: StoredReservation): boolean {
  return booking !== undefined || queued?.status === 'pending' || queued?.status === 'mapped'
}

function changesAnything(planned: PlannedWrite): boolean {
  const { stored, plan, draft, problems } = planned
  const write = bookingWriteOf(planned)
  if (write !== null && (stored.booking === undefined || changesBooking(stored.booking, write))) return true
  if (plan.approval === null) return false
  const { queued } = stored
  if (queued?.status !== plan.approval) return true
  return !isDeepStrictEqual(queued.problems, problems) || !isDeepStrictEqual(queued.draft, asStored(draft))
}

// The webhook that waited for a person does so no more once there is a booking.
function endOfWaiting({ change, planned }: Written): QueuedEnd | undefined {
  if (change.after === undefined || planned.stored.queued === undefined) return undefined
  const { connectionId, externalId } = planned.row
  const outcome = change.before === undefined ? 'created' : 'updated'
  return { connectionId, externalId, newest: { id: planned.stored.queued.webhook_id, outcome } }
}

function asStored(draft: PlannedWrite['draft']): unknown {
  return JSON.parse(JSON.stringify(draft))
}

async function noteSameBookings(trx: Transaction<Database>, planned: PlannedWrite[]): Promise<void> {
  const [first] = planned
  if (first === undefined) return
  const mapped = planned.filter(({ plan }) => plan.booking !== null)
  await noteMapping(
    trx,
    mapped.flatMap(({ stored: { booking } }) => booking?.id ?? []),
    first.draft.mappingVersion,
  )
}
