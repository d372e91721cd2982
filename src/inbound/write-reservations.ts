import type { Transaction } from 'kysely'
import { upsertQueuedReservations } from '../approvals/approval-store.ts'
import { deleteBlocks, findOverbooked, lockUnits, putBlocks } from '../bookings/block-store.ts'
import { type ReservationKey, type ReservationVersion, upsertBookings } from '../bookings/booking-store.ts'
import { noteReleasedNights, releasedStretches, type Stretch } from '../bookings/released-nights-store.ts'
import type { Database, ListingRow } from '../db/tables.ts'
import type { Reservation } from '../hostaway/wire/reservation.ts'
import { draftBooking } from '../mapping/booking-draft.ts'
import { appendEvents } from '../outbox/outbox-store.ts'
import type { IncomingReservation } from './incoming-reservation.ts'
import { eventsOfChange, newClaim, type ReservationChange } from './reservation-events.ts'
import { planReservation } from './reservation-plan.ts'
import { byReservation, nameOf, type StoredReservation } from './stored-reservation.ts'

/** A version that is to be applied to what is stored. */
export type ReservationWrite = {
  incoming: IncomingReservation
  /** What was sent, filled up with what only the stored version says. */
  reservation: Reservation
  stored: StoredReservation
  listing: ListingRow | undefined
}

/** Writes bookings, rows for people, nights and events; returns what changed, in the same order. The caller holds the reservations' locks. */
export async function writeReservations(
  trx: Transaction<Database>,
  writes: ReservationWrite[],
): Promise<ReservationChange[]> {
  if (writes.length === 0) return []
  const planned = writes.map(plan)
  await lockUnits(trx, planned.flatMap(unitsOf))
  const bookings = byReservation(
    await upsertBookings(
      trx,
      planned.flatMap(({ row, plan: { booking }, incoming }) =>
        booking === null ? [] : [{ ...row, channel: incoming.connection.channel, draft: booking }],
      ),
    ),
  )
  await upsertQueuedReservations(
    trx,
    planned.flatMap(({ row, plan: { approval }, draft, problems, incoming }) =>
      approval === null
        ? []
        : [{ ...row, status: approval, draft, problems, webhookId: incoming.webhook?.id ?? null }],
    ),
  )
  const bookingIdOf = ({ row, stored }: Planned) => (bookings.get(nameOf(row)) ?? stored.booking)?.id ?? null
  await deleteBlocks(
    trx,
    planned.flatMap(({ row, plan, stored }) =>
      plan.block === null && stored.block !== undefined ? [row] : [],
    ),
  )
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
  const changes = planned.map((one): ReservationChange => {
    const { incoming, row, stored, plan } = one
    return {
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
  })
  await noteReleasedNights(
    trx,
    changes.flatMap(({ blockBefore, blockAfter }, index) => [
      ...releasedStretches(blockBefore, blockAfter),
      ...neverSeenStretch(planned[index]),
    ]),
  )
  await findConflicts(trx, changes, planned)
  await appendEvents(trx, changes.flatMap(eventsOfChange))
  return changes
}

type Planned = ReturnType<typeof plan>

function plan({ incoming, reservation, stored, listing }: ReservationWrite) {
  const { draft, problems } = draftBooking(
    reservation,
    listing === undefined ? undefined : { unitId: listing.unit_id, currency: listing.currency },
  )
  const row = {
    connectionId: incoming.connection.id,
    externalId: reservation.id,
    tenantId: incoming.connection.tenantId,
    source: reservation.source,
    version: withEarlierFetch(incoming.version, stored),
  } satisfies ReservationKey & Record<string, unknown>
  return {
    incoming,
    stored,
    draft,
    problems,
    row,
    unitsOfListing: listing?.unit_count ?? 1,
    plan: planReservation({
      draft,
      problems,
      autoImport: incoming.connection.autoImport,
      booking: stored.booking,
      approval: stored.queued?.status ?? null,
    }),
  }
}

// The same version once more does not undo that Hostaway was asked for it.
function withEarlierFetch(version: ReservationVersion, { newest }: StoredReservation): ReservationVersion {
  const isSame = newest?.version.kind === version.kind && newest.version.at.getTime() === version.at.getTime()
  return isSame ? { ...version, fetchedAt: version.fetchedAt ?? newest.version.fetchedAt } : version
}

// Cancelled before anything else was heard of it: its nights were held at Hostaway all the same.
function neverSeenStretch(one: Planned | undefined): Stretch[] {
  if (one === undefined) return []
  const { status, listingId, checkIn, checkOut } = one.draft
  const isNews =
    status === 'cancelled' && one.stored.booking?.status !== 'cancelled' && one.stored.block === undefined
  if (!isNews || listingId === null || checkIn === null || checkOut === null) return []
  return [{ connectionId: one.row.connectionId, listingId, firstNight: checkIn, departure: checkOut }]
}

function unitsOf({ row: { tenantId }, draft, stored }: Planned) {
  return [stored.block?.unit_id, draft.unitId].flatMap((unitId) =>
    unitId == null ? [] : [{ tenantId, unitId }],
  )
}

async function findConflicts(
  trx: Transaction<Database>,
  changes: ReservationChange[],
  planned: Planned[],
): Promise<void> {
  const claims = changes.flatMap((change, index) => {
    const claim = newClaim(change, planned[index]?.unitsOfListing ?? 1)
    return claim === null ? [] : [{ change, claim }]
  })
  const overbooked = await findOverbooked(
    trx,
    claims.map(({ claim }) => claim),
  )
  for (const [index, { change }] of claims.entries()) change.overbookedWith = overbooked[index] ?? []
}
