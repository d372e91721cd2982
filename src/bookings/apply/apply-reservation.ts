import type { Kysely, Transaction } from 'kysely'
import { compareFields } from '../../channels/contract/reservation-merge.ts'
import { findListings } from '../../listings/listing-store.ts'
import type { ApprovalStatus, Database } from '../../platform/db/tables.ts'
import {
  endQueuedWebhooks,
  finishWebhooks,
  lockUnprocessedWebhooks,
  type QueuedEnd,
} from '../../webhooks/webhook-log.ts'
import { markerOf } from '../booking-marker.ts'
import { lockReservations, type ReservationKey } from '../booking-store.ts'
import { adoptionOf, adoptOwn } from './adopt-reservation.ts'
import type { IncomingReservation } from './incoming-reservation.ts'
import type { ReservationChange } from './reservation-events.ts'
import { compareVersions, type VersionVerdict, versionText } from './reservation-version.ts'
import {
  knownOf,
  mergedWithStored,
  readStoredReservations,
  type StoredReservation,
} from './stored-reservation.ts'
import { type ReservationWrite, writeReservations } from './write-reservations.ts'

export type { IncomingReservation, ReservationOwner } from './incoming-reservation.ts'

export type ApplyOutcome =
  | 'created'
  | 'updated'
  | 'cancelled'
  | 'unchanged'
  | 'older'
  | 'waiting'
  | 'withdrawn'
  | 'rejected'
  | 'already_processed'

/** The reservation came to its end; its webhook with it, and `processedAfterSeconds` is the webhook's age. */
export type Applied = {
  outcome: ApplyOutcome
  overbookedWith: string[]
  processedAfterSeconds: number | undefined
}

export type ApplyResult =
  | Applied
  /** Nothing was written: two different bodies have the same version, and the channel must be asked. */
  | { outcome: 'conflict' }
  /** Nothing was written: this listing is to be fetched first. */
  | { outcome: 'unknown_listing'; listingId: string }

/** Applies one version of one reservation; see `applyReservations`. */
export async function applyReservation(
  db: Kysely<Database>,
  incoming: IncomingReservation,
): Promise<ApplyResult> {
  const [result] = await applyReservations(db, [incoming])
  if (result === undefined) throw new Error('A reservation was applied without a result')
  return result
}

/**
 * The one way by which reservations are written: version guard, booking, nights, events and the end of the webhook,
 * of all of them in one transaction. Each reservation may appear once. Safe to run twice and at the same time:
 * advisory locks serialise the writers of a reservation, and what is older changes only fields that nothing newer spoke
 * of. The results are in the order of what came in.
 */
export async function applyReservations(
  db: Kysely<Database>,
  incoming: IncomingReservation[],
): Promise<ApplyResult[]> {
  return db.transaction().execute((trx) => applyReservationsWithin(trx, incoming))
}

/** The same within a transaction of the caller's, who has locked no row of theirs before. */
export async function applyReservationsWithin(
  trx: Transaction<Database>,
  incoming: IncomingReservation[],
): Promise<ApplyResult[]> {
  // Before any row is locked: a transaction draws its number with the first row lock, and events of one
  // reservation are read in the order of those numbers.
  await lockReservations(trx, incoming.flatMap(locksOf))
  const results = new Map<IncomingReservation, ApplyResult>()
  const open = await selectOpen(trx, incoming, results)
  await adoptOwn(trx, open)
  const newer = await selectNewer(trx, open, results)
  const writes = await addListings(trx, newer, results)
  for (const { planned, change } of await writeReservations(trx, writes)) {
    results.set(planned.incoming, ended(outcomeOf(change), change.overbookedWith))
  }
  await endQueuedWebhooks(
    trx,
    writes.flatMap((write) => endOfWaiting(write.incoming, write.stored, results)),
  )
  await endWebhooks(trx, results)
  return incoming.flatMap((one) => results.get(one) ?? [])
}

async function selectOpen(
  trx: Transaction<Database>,
  incoming: IncomingReservation[],
  results: Map<IncomingReservation, ApplyResult>,
): Promise<IncomingReservation[]> {
  const webhookIds = incoming.flatMap(({ webhook }) => (webhook === null ? [] : [webhook.id]))
  const open = await lockUnprocessedWebhooks(trx, webhookIds)
  return incoming.filter((one) => {
    if (one.webhook === null || open.has(one.webhook.id)) return true
    results.set(one, ended('already_processed'))
    return false
  })
}

async function selectNewer(
  trx: Transaction<Database>,
  incoming: IncomingReservation[],
  results: Map<IncomingReservation, ApplyResult>,
): Promise<Array<{ incoming: IncomingReservation; stored: StoredReservation }>> {
  const stored = await readStoredReservations(
    trx,
    incoming.map((one) => ({ ...keyOf(one), format: one.reservation.format })),
  )
  return stored.flatMap((found, index) => {
    const one = incoming[index]
    if (one === undefined) return []
    const verdict = judge(one, found)
    if (verdict === 'apply' || (verdict === 'same' && mayBeReleased(one, found))) {
      return [{ incoming: one, stored: found }]
    }
    results.set(
      one,
      verdict === 'conflict' ? { outcome: 'conflict' } : ended(verdict === 'same' ? 'unchanged' : 'older'),
    )
    return []
  })
}

// What it waited for may have come since: a listing that became known, or automatic import.
function mayBeReleased({ connection }: IncomingReservation, { queued }: StoredReservation): boolean {
  return queued?.status === 'pending' || (queued?.status === 'mapped' && connection.autoImport)
}

function judge(
  { reservation, version, webhook, isStored }: IncomingReservation,
  { newest }: StoredReservation,
): VersionVerdict {
  return compareVersions({ ...version, receivedAt: webhook?.receivedAt ?? null }, newest?.version, () => {
    if (isStored === true) return { bringsNews: false, contradicts: false }
    const known = newest === undefined ? undefined : knownOf(newest)
    if (known === undefined) return { bringsNews: false, contradicts: true }
    return compareFields(known, { reservation, version: versionText(version) })
  })
}

async function addListings(
  trx: Transaction<Database>,
  newer: Array<{ incoming: IncomingReservation; stored: StoredReservation }>,
  results: Map<IncomingReservation, ApplyResult>,
): Promise<ReservationWrite[]> {
  const merged = newer.map(({ incoming, stored }) => {
    return { incoming, stored, ...mergedWithStored(incoming, stored), connectionId: incoming.connection.id }
  })
  const known = await findListings(
    trx,
    merged.flatMap(({ connectionId, reservation: { listingId } }) =>
      listingId === undefined ? [] : [{ connectionId, listingId }],
    ),
  )
  return merged.flatMap(({ connectionId, ...write }) => {
    const { listingId } = write.reservation
    const listing = known.find((row) => row.connection_id === connectionId && row.listing_id === listingId)
    if (listing === undefined && listingId !== undefined && write.incoming.stopAtUnknownListing === true) {
      results.set(write.incoming, { outcome: 'unknown_listing', listingId })
      return []
    }
    return [{ ...write, listing }]
  })
}

async function endWebhooks(
  trx: Transaction<Database>,
  results: Map<IncomingReservation, ApplyResult>,
): Promise<void> {
  const toEnd = [...results].flatMap(([{ webhook }, result]) =>
    webhook !== null && 'processedAfterSeconds' in result && result.outcome !== 'already_processed'
      ? [{ id: webhook.id, result }]
      : [],
  )
  const ages = await finishWebhooks(
    trx,
    toEnd.map(({ id, result: { outcome } }) => ({
      id,
      outcome,
      status: outcome === 'waiting' ? 'queued' : 'processed',
    })),
  )
  for (const { id, result } of toEnd) result.processedAfterSeconds = ages.get(id)
}

const isWaiting: ReadonlySet<ApprovalStatus> = new Set<ApprovalStatus>(['pending', 'mapped', 'failed'])

// The webhooks before this one that waited for a person wait no more once there is an end.
function endOfWaiting(
  incoming: IncomingReservation,
  { queued }: StoredReservation,
  results: Map<IncomingReservation, ApplyResult>,
): QueuedEnd[] {
  const waited = queued !== undefined && isWaiting.has(queued.status)
  if (!waited || results.get(incoming)?.outcome === 'waiting') return []
  const outcome = results.get(incoming)?.outcome ?? 'unchanged'
  const newest = incoming.isStored === true ? { id: queued.webhook_id, outcome } : null
  return [{ ...keyOf(incoming), newest }]
}

function ended(outcome: ApplyOutcome, overbookedWith: string[] = []): Applied {
  return { outcome, overbookedWith, processedAfterSeconds: undefined }
}

function outcomeOf(change: ReservationChange): ApplyOutcome {
  if (change.after === undefined) {
    return change.approval === 'withdrawn' || change.approval === 'rejected' ? change.approval : 'waiting'
  }
  if (change.before === undefined) return 'created'
  return change.after.status === 'cancelled' && change.before.status !== 'cancelled' ? 'cancelled' : 'updated'
}

function locksOf(incoming: IncomingReservation): ReservationKey[] {
  const markers = adoptionOf(incoming).map(({ connectionId, bookingId }) => ({
    connectionId,
    externalId: markerOf(bookingId),
  }))
  return [keyOf(incoming), ...markers]
}

function keyOf({ connection, reservation }: IncomingReservation): ReservationKey {
  return { connectionId: connection.id, externalId: reservation.id }
}
