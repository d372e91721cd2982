import type { Kysely, Transaction } from 'kysely'
import { findQueuedReservation, upsertQueuedReservation } from '../approvals/approval-store.ts'
import { deleteBlock, findBlock, lockUnits, putBlock } from '../bookings/block-store.ts'
import {
  findBookingOfReservation,
  lockReservation,
  type ReservationVersion,
  upsertBooking,
} from '../bookings/booking-store.ts'
import type { BookingQueueRow, BookingRow, Database, ListingRow, WebhookStatus } from '../db/tables.ts'
import { parseReservation, type Reservation } from '../hostaway/wire/reservation.ts'
import { mergeReservation, sameReservation } from '../hostaway/wire/reservation-comparison.ts'
import { findListing } from '../listings/listing-store.ts'
import { draftBooking } from '../mapping/booking-draft.ts'
import { appendEvents } from '../outbox/outbox-store.ts'
import { eventsOfChange, findConflict, type ReservationChange } from './reservation-events.ts'
import { planReservation } from './reservation-plan.ts'
import { compareVersions, newerVersion } from './reservation-version.ts'
import { finishWebhook, lockUnprocessedWebhook } from './webhook-log.ts'

export type ReservationOwner = {
  id: string
  tenantId: string
  tenantSlug: string
  channel: string
  autoImport: boolean
}

/** One version of a reservation, from whatever source, ready to be applied. */
export type IncomingReservation = {
  connection: ReservationOwner
  reservation: Reservation
  version: ReservationVersion
  /** The webhook that brought it; it is marked as processed in the same transaction. */
  webhook: { id: string; receivedAt: Date } | null
}

export type ApplyOutcome =
  | 'created'
  | 'updated'
  | 'cancelled'
  | 'unchanged'
  | 'older'
  | 'waiting'
  | 'withdrawn'
  | 'already_processed'

export type ApplyResult =
  | { outcome: ApplyOutcome; overbookedWith: string[]; processedAfterSeconds: number | undefined }
  | { outcome: 'conflict' }

/**
 * The one way by which a reservation is written: version guard, booking, nights, events and the end of its webhook,
 * in one transaction. Safe to run twice and at the same time: an advisory lock serialises the writers of a
 * reservation, and a version that is not newer changes nothing. `conflict` wrote nothing: two different bodies have
 * the same version, and Hostaway must be asked.
 */
export async function applyReservation(
  db: Kysely<Database>,
  incoming: IncomingReservation,
): Promise<ApplyResult> {
  return db.transaction().execute(async (trx) => {
    const key = { connectionId: incoming.connection.id, externalId: incoming.reservation.id }
    // Before any row is locked: a transaction draws its number with the first row lock, and events of one
    // reservation are read in the order of those numbers.
    await lockReservation(trx, key)
    if (incoming.webhook !== null && !(await lockUnprocessedWebhook(trx, incoming.webhook.id))) {
      return { outcome: 'already_processed', overbookedWith: [], processedAfterSeconds: undefined }
    }
    const stored = await readStored(trx, key)
    const verdict = compareVersions(
      { ...incoming.version, receivedAt: incoming.webhook?.receivedAt ?? null },
      stored.newest === undefined
        ? undefined
        : { ...stored.newest.version, sameContent: isSame(incoming.reservation, stored.newest.reservation) },
    )
    if (verdict === 'conflict') return { outcome: 'conflict' }
    if (verdict !== 'apply') {
      return finish(trx, incoming, verdict === 'same' ? 'unchanged' : 'older', [])
    }
    const change = await writeReservation(trx, incoming, stored)
    return finish(trx, incoming, outcomeOf(change), change.overbookedWith)
  })
}

type Stored = {
  booking: BookingRow | undefined
  queued: BookingQueueRow | undefined
  newest: { version: ReservationVersion; reservation: Reservation | null } | undefined
}

async function readStored(
  trx: Transaction<Database>,
  key: { connectionId: string; externalId: string },
): Promise<Stored> {
  const booking = await findBookingOfReservation(trx, key)
  const queued = await findQueuedReservation(trx, key)
  // The queued row comes last: of two equal versions it holds the later one, which could not be mapped.
  const versions = [booking, queued].flatMap((row) =>
    row === undefined
      ? []
      : [{ kind: row.version_kind, at: row.version_at, fetchedAt: row.fetched_at, source: row.source }],
  )
  if (versions.length === 0) return { booking, queued, newest: undefined }
  const { source, ...version } = versions.reduce(newerVersion)
  return { booking, queued, newest: { version, reservation: parseReservation(source).reservation } }
}

async function writeReservation(
  trx: Transaction<Database>,
  incoming: IncomingReservation,
  stored: Stored,
): Promise<ReservationChange> {
  const { connection } = incoming
  const older = stored.newest?.reservation ?? null
  // A body that leaves a field out says nothing about it.
  const reservation = older === null ? incoming.reservation : mergeReservation(older, incoming.reservation)
  const key = { connectionId: connection.id, externalId: reservation.id }
  const listing = await findListingOf(trx, connection.id, reservation)
  const { draft, problems } = draftBooking(
    reservation,
    listing === undefined ? undefined : { unitId: listing.unit_id, currency: listing.currency },
  )
  const plan = planReservation({
    draft,
    problems,
    autoImport: connection.autoImport,
    booking: stored.booking,
    approval: stored.queued?.status ?? null,
  })

  const blockBefore = await findBlock(trx, key)
  await lockUnits(trx, connection.tenantId, [blockBefore?.unit_id, draft.unitId])
  const write = {
    ...key,
    tenantId: connection.tenantId,
    source: reservation.source,
    version: incoming.version,
  }
  const booking =
    plan.booking === null
      ? undefined
      : await upsertBooking(trx, { ...write, channel: connection.channel, draft: plan.booking })
  if (plan.approval !== null) {
    await upsertQueuedReservation(trx, {
      ...write,
      status: plan.approval,
      draft,
      problems,
      webhookId: incoming.webhook?.id ?? null,
    })
  }
  const bookingId = booking?.id ?? stored.booking?.id ?? null
  if (plan.block === null) await deleteBlock(trx, key)
  else if (plan.block !== 'keep') {
    await putBlock(trx, { ...key, tenantId: connection.tenantId, bookingId }, plan.block)
  }

  const change: ReservationChange = {
    connection,
    externalId: reservation.id,
    bookingId,
    before: stored.booking,
    after: booking,
    approval: plan.approval,
    blockBefore,
    blockAfter: plan.block === 'keep' ? blockBefore : ((await findBlock(trx, key)) ?? undefined),
    overbookedWith: [],
  }
  change.overbookedWith = await findConflict(trx, change, listing?.unit_count ?? 1)
  await appendEvents(trx, eventsOfChange(change))
  return change
}

async function findListingOf(
  trx: Transaction<Database>,
  connectionId: string,
  reservation: Reservation,
): Promise<ListingRow | undefined> {
  return reservation.listingId === undefined
    ? undefined
    : findListing(trx, connectionId, reservation.listingId)
}

async function finish(
  trx: Transaction<Database>,
  incoming: IncomingReservation,
  outcome: ApplyOutcome,
  overbookedWith: string[],
): Promise<ApplyResult> {
  const status: Exclude<WebhookStatus, 'received'> = outcome === 'waiting' ? 'queued' : 'processed'
  const processedAfterSeconds =
    incoming.webhook === null ? undefined : await finishWebhook(trx, incoming.webhook.id, { status, outcome })
  return { outcome, overbookedWith, processedAfterSeconds }
}

function outcomeOf(change: ReservationChange): ApplyOutcome {
  if (change.after === undefined) return change.approval === 'withdrawn' ? 'withdrawn' : 'waiting'
  if (change.before === undefined) return 'created'
  return change.after.status === 'cancelled' && change.before.status !== 'cancelled' ? 'cancelled' : 'updated'
}

function isSame(incoming: Reservation, stored: Reservation | null): boolean {
  return stored !== null && sameReservation(incoming, stored)
}
