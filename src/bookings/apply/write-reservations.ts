import type { Transaction } from 'kysely'
import { noteReleasedNights, releasedStretches, type Stretch } from '../../calendar/desired-store.ts'
import type { Reservation, ReservationFormat } from '../../channels/contract/reservation.ts'
import { wasSent } from '../../channels/contract/reservation-format.ts'
import { findListings, unitCountsOf } from '../../listings/listing-store.ts'
import type { MappedReservation } from '../../mapping/apply-mapping.ts'
import { applyOverrides, mergeOverrides } from '../../mapping/booking-overrides.ts'
import { appendEvents } from '../../outbox/outbox-store.ts'
import type { Database, ListingRow } from '../../platform/db/tables.ts'
import { overridesOf, upsertQueuedReservations } from '../approval-store.ts'
import {
  type BookingClaims,
  claimedNights,
  deleteBlocks,
  findOverbooked,
  insertBlocksOfClaims,
  lockUnits,
  putBlocks,
} from '../block-store.ts'
import {
  type BookingWrite,
  type ReservationKey,
  type ReservationVersion,
  upsertBookings,
} from '../booking-store.ts'
import { desiredBookingOf, withDesired } from '../desired-booking.ts'
import type { IncomingReservation, ReservationOwner } from './incoming-reservation.ts'
import { type CandidateMapping, mapReservations } from './map-reservations.ts'
import { eventsOfChange, newClaim, type ReservationChange } from './reservation-events.ts'
import { blockOf, keepUnit, planReservation } from './reservation-plan.ts'
import {
  byReservation,
  nameOf,
  readStoredReservations,
  type StoredReservation,
} from './stored-reservation.ts'

/** A version that is to be applied to what is stored. */
export type ReservationWrite = {
  incoming: IncomingReservation
  /** The body as sent, merged with fields that only the stored version has. */
  reservation: Reservation
  /** The version of both together, where it is another than the incoming one. */
  version?: ReservationVersion
  stored: StoredReservation
  listing: ListingRow | undefined
}

/** Writes bookings, rows for people, nights and events; returns what changed, in the same order. The caller holds the reservations' locks. */
export async function writeReservations(
  trx: Transaction<Database>,
  writes: ReservationWrite[],
): Promise<Written[]> {
  return writePlanned(trx, await planWrites(trx, writes))
}

/** Decides what is to become of each version, in the same order; nothing is written. The caller holds the reservations' locks. */
export async function planWrites(
  trx: Transaction<Database>,
  writes: ReservationWrite[],
  candidate?: CandidateMapping,
): Promise<PlannedWrite[]> {
  if (writes.length === 0) return []
  const tasks = writes.map((write) => ({ ...write, connectionId: write.incoming.connection.id }))
  return (await mapReservations(trx, tasks, candidate)).map(({ task, mapped }) => plan(task, mapped))
}

/** Carries out what was planned under the same locks. */
export async function writePlanned(trx: Transaction<Database>, planned: PlannedWrite[]): Promise<Written[]> {
  if (planned.length === 0) return []
  await lockUnits(trx, planned.flatMap(unitsOf))
  const bookings = byReservation(
    await upsertBookings(
      trx,
      planned.flatMap((one) => bookingWriteOf(one) ?? []),
    ),
  )
  await upsertQueuedReservations(
    trx,
    planned.flatMap(({ row, plan: { approval }, draft, problems, overrides, webhookId }) =>
      approval === null
        ? []
        : [{ ...row, source: row.source ?? {}, status: approval, draft, problems, overrides, webhookId }],
    ),
  )
  const bookingIdOf = ({ row, stored }: PlannedWrite) =>
    (bookings.get(nameOf(row)) ?? stored.booking)?.id ?? null
  await deleteBlocks(
    trx,
    planned.flatMap(({ row, plan, stored }) =>
      plan.block === null && stored.block !== undefined ? [row] : [],
    ),
  )
  await insertBlocksOfClaims(trx, planned.flatMap(claimsOf))
  const blocks = byReservation(
    await putBlocks(
      trx,
      planned.flatMap((one) =>
        one.plan.block === null || one.plan.block === 'keep'
          ? []
          : [{ ...one.row, bookingId: bookingIdOf(one), block: one.plan.block }],
      ),
    ),
  )
  const written = planned.map((one): Written => {
    const { incoming, row, stored, plan } = one
    const change: ReservationChange = {
      connection: incoming.connection,
      externalId: row.externalId,
      bookingId: bookingIdOf(one),
      before: stored.booking,
      after: bookings.get(nameOf(row)),
      approval: plan.approval,
      blockBefore: stored.block,
      blockAfter: plan.block === 'keep' ? stored.block : blocks.get(nameOf(row)),
      overbookedWith: [],
    }
    return { planned: one, change }
  })
  await noteReleasedNights(
    trx,
    written.flatMap(({ planned: one, change: { blockBefore, blockAfter } }) => [
      ...releasedStretches(blockBefore, blockAfter),
      ...neverSeenStretch(one),
    ]),
  )
  await findConflicts(trx, written)
  await appendEvents(
    trx,
    written.flatMap(({ change }) => eventsOfChange(change)),
  )
  return written
}

/** A plan and what carrying it out has changed. */
export type Written = { planned: PlannedWrite; change: ReservationChange }

/** A version with its mapping and what is to become of it. */
export type PlannedWrite = ReturnType<typeof plan>

/** The booking that a plan writes, if it writes one. */
export function bookingWriteOf({ row, plan: { booking }, incoming }: PlannedWrite): BookingWrite | null {
  return booking === null ? null : { ...row, channel: incoming.connection.channel, draft: booking }
}

function plan(
  { incoming, reservation, version = incoming.version, stored, listing }: ReservationWrite,
  asMapped: MappedReservation,
) {
  const mapped = keepUnit(asMapped, stored.booking, listing)
  const { approved } = incoming
  const saidBefore = overridesOf(stored.queued)
  const {
    draft: held,
    problems,
    overrides,
  } = applyOverrides(
    mapped,
    approved === undefined ? saidBefore : mergeOverrides(saidBefore, mapped.draft, approved),
  )
  const draft = withDesired(held, desiredBookingOf(stored.booking))
  const row = {
    connectionId: incoming.connection.id,
    externalId: reservation.id,
    tenantId: incoming.connection.tenantId,
    source: wasSent(reservation) ? reservation.source : null,
    version: withEarlierFetch(version, stored),
    reservationDraft: incoming.draft,
  } satisfies ReservationKey & Record<string, unknown>
  const planned = planReservation({
    draft,
    problems,
    autoImport: incoming.connection.autoImport,
    approved: approved !== undefined,
    booking: stored.booking,
    approval: stored.queued?.status ?? null,
  })
  return {
    incoming,
    stored,
    draft,
    problems,
    overrides,
    row,
    listing,
    // The same version once more was brought by the webhook that brought it first.
    webhookId:
      incoming.webhook?.id ?? (isStoredVersion(incoming.version, stored) ? waitingFor(stored) : null),
    // A desired value is no more than that: the nights that the channel holds stay held until it has let them go.
    plan: draft === held ? planned : { ...planned, block: blockOf(held) },
    claimed: draft === held ? [] : claimedNights(nightsOf(blockOf(held)), nightsOf(blockOf(draft))),
  }
}

function nightsOf(block: ReturnType<typeof blockOf>) {
  return block === 'keep' ? null : block
}

function claimsOf({ row, stored: { booking }, claimed }: PlannedWrite): BookingClaims[] {
  // Nothing was ever desired of a booking that has no desired value, not even an empty one.
  if (booking === undefined || booking.desired === null) return []
  return [{ tenantId: row.tenantId, connectionId: row.connectionId, bookingId: booking.id, claimed }]
}

// The same version once more does not undo that the channel was asked for it.
function withEarlierFetch(version: ReservationVersion, stored: StoredReservation): ReservationVersion {
  if (!isStoredVersion(version, stored)) return version
  return { ...version, fetchedAt: version.fetchedAt ?? stored.newest?.version.fetchedAt ?? null }
}

function isStoredVersion(version: ReservationVersion, { newest }: StoredReservation): boolean {
  return newest?.version.kind === version.kind && newest.version.at.getTime() === version.at.getTime()
}

function waitingFor({ queued }: StoredReservation): string | null {
  return queued?.webhook_id ?? null
}

// Cancelled before anything else was heard of it: its nights were held at the channel all the same.
function neverSeenStretch(one: PlannedWrite): Stretch[] {
  const { status, listingId, checkIn, checkOut } = one.draft
  const isNews =
    status === 'cancelled' && one.stored.booking?.status !== 'cancelled' && one.stored.block === undefined
  if (!isNews || listingId === null || checkIn === null || checkOut === null) return []
  return [{ connectionId: one.row.connectionId, listingId, firstNight: checkIn, departure: checkOut }]
}

function unitsOf({ row: { tenantId }, draft, stored }: PlannedWrite) {
  return [stored.block?.unit_id, draft.unitId].flatMap((unitId) =>
    unitId == null ? [] : [{ tenantId, unitId }],
  )
}

async function findConflicts(trx: Transaction<Database>, written: Written[]): Promise<void> {
  const unitsOfPlanned = await countUnits(
    trx,
    written.map(({ planned }) => planned),
  )
  const claims = written.flatMap(({ planned, change }) => {
    const claim = newClaim(change, unitsOfPlanned.get(planned) ?? 1)
    return claim === null ? [] : [{ change, claim }]
  })
  const overbooked = await findOverbooked(
    trx,
    claims.map(({ claim }) => claim),
  )
  for (const [index, { change }] of claims.entries()) change.overbookedWith = overbooked[index] ?? []
}

// How many units there are where each stay is planned: its listing's, unless a person put it into another unit.
async function countUnits(
  trx: Transaction<Database>,
  planned: PlannedWrite[],
): Promise<Map<PlannedWrite, number>> {
  const isElsewhere = ({ draft, listing }: PlannedWrite) =>
    draft.unitId !== null && draft.unitId !== listing?.unit_id
  const elsewhere = planned.filter(isElsewhere)
  const counts = await unitCountsOf(
    trx,
    elsewhere.map(({ draft, row: { tenantId } }) => ({ tenantId, unitId: draft.unitId ?? '' })),
  )
  return new Map([
    ...planned.map((one) => [one, one.listing?.unit_count ?? 1] as const),
    ...elsewhere.map((one, index) => [one, counts[index] ?? 1] as const),
  ])
}

/**
 * Writes booking, nights and events of a reservation once more from the newest body that is stored, after something
 * else that they depend on was changed in the same transaction. The caller holds the reservation's lock. Safe to
 * repeat; emits no event when nothing changed.
 */
export async function rewriteReservation(
  trx: Transaction<Database>,
  { connection, format }: { connection: ReservationOwner; format: ReservationFormat },
  externalId: string,
): Promise<void> {
  const [stored] = await readStoredReservations(trx, [{ connectionId: connection.id, externalId, format }])
  const newest = stored?.newest
  if (stored === undefined || newest === undefined || newest.reservation === null) return
  const { reservation, version } = newest
  const { listingId } = reservation
  const [listing] =
    listingId === undefined ? [] : await findListings(trx, [{ connectionId: connection.id, listingId }])
  await writeReservations(trx, [
    { incoming: { connection, reservation, version, webhook: null }, stored, reservation, listing },
  ])
}
