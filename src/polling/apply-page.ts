import { LRUCache } from 'lru-cache'
import {
  type ApplyResult,
  applyReservations,
  type IncomingReservation,
} from '../bookings/apply/apply-reservation.ts'
import { fetchListing } from '../bookings/apply/fetch-listing.ts'
import { reportConflict } from '../bookings/apply/reservation-events.ts'
import { fetchedVersion } from '../bookings/apply/reservation-version.ts'
import type { Reservation } from '../channels/contract/reservation.ts'
import { openDeadLetter } from '../dead-letters/dead-letter-store.ts'
import { togetherOrEach } from '../platform/batch.ts'
import { type AppError, factsOf, toAppError } from '../platform/errors.ts'
import type { Tally } from './import-store.ts'
import { maxWaitMs, ofHistory, type PollingSlice } from './polling-context.ts'

const maxTogether = 100

// Years of reservations may name the same few listings that are gone.
const listingsThatAreGone = new LRUCache<string, true>({ max: 10_000, ttl: 3_600_000 })

/**
 * Applies reservations as the channel showed them at `fetchedAt`, through the same function as webhooks. One that cannot
 * be applied becomes a dead letter and stops nothing; what fails for another reason fails as a whole. Safe to repeat.
 */
export async function applyPage(
  reading: PollingSlice,
  reservations: Reservation[],
  fetchedAt: Date,
): Promise<Tally> {
  const tally: Tally = { created: 0, updated: 0, unchanged: 0, waiting: 0, failed: 0 }
  const incoming = reservations.map((reservation) => toIncoming(reading, reservation, fetchedAt))
  for (const together of splitConflictFree(incoming)) {
    const unknown = await applyTogether(reading, together, tally)
    // Between two transactions, since none may wait for the channel.
    for (const listingId of new Set(unknown.flatMap(({ reservation }) => reservation.listingId ?? []))) {
      await learnListing(reading, listingId)
    }
    const again = unknown.map((one) => ({ ...one, stopAtUnknownListing: false }))
    if (again.length > 0) await applyTogether(reading, again, tally)
  }
  return tally
}

function toIncoming(
  { connection }: PollingSlice,
  reservation: Reservation,
  fetchedAt: Date,
): IncomingReservation {
  const { listingId } = reservation
  const isGone = listingId !== undefined && listingsThatAreGone.has(`${connection.id} ${listingId}`)
  return {
    connection,
    reservation,
    version: fetchedVersion(reservation, fetchedAt),
    webhook: null,
    stopAtUnknownListing: connection.autoMapListings && !isGone,
  }
}

async function learnListing({ deps, connection }: PollingSlice, listingId: string): Promise<void> {
  const how = { urgency: 'bulk' as const, maxWaitMs: maxWaitMs }
  if (!(await fetchListing(deps, connection, listingId, how))) {
    listingsThatAreGone.set(`${connection.id} ${listingId}`, true)
  }
}

/** Applies in one transaction, or each in its own where that fails; returns those whose listing is not known. */
async function applyTogether(
  reading: PollingSlice,
  together: IncomingReservation[],
  tally: Tally,
): Promise<IncomingReservation[]> {
  const unknown: IncomingReservation[] = []
  const outcomes = await togetherOrEach(
    together,
    (some) => applyReservations(reading.deps.db, some),
    (error) => isOfReservation(toAppError(error)),
  )
  for (const [index, outcome] of outcomes.entries()) {
    const incoming = together[index]
    if (incoming === undefined) continue
    if (outcome.status === 'rejected') {
      const error = toAppError(outcome.reason)
      if (!isOfReservation(error)) throw outcome.reason
      await deadLetterOne(reading, incoming, error)
      tally.failed += 1
    } else if (outcome.value.outcome === 'unknown_listing') unknown.push(incoming)
    else count(reading, incoming, outcome.value, tally)
  }
  return unknown
}

// A failure that another attempt cannot cure lies in the reservation, or in how we read it.
function isOfReservation(error: AppError): boolean {
  return factsOf(error).outcome === 'deadLetter'
}

async function deadLetterOne(
  { deps, connection }: PollingSlice,
  { reservation }: IncomingReservation,
  error: AppError,
): Promise<void> {
  const payload = { connectionId: connection.id, reservationId: reservation.id }
  await deps.db.transaction().execute((trx) =>
    openDeadLetter(trx, deps, {
      ...ofHistory(connection),
      job: 'apply-reservation',
      subject: `${connection.id}:${reservation.id}`,
      payload,
      error,
      attempts: 1,
    }),
  )
}

function count(
  { deps, connection }: PollingSlice,
  { reservation }: IncomingReservation,
  result: Exclude<ApplyResult, { outcome: 'unknown_listing' }>,
  tally: Tally,
): void {
  // What was fetched is never in conflict: it settles conflicts.
  if (result.outcome === 'conflict') throw new Error('A fetched reservation was in conflict')
  tally[tallied[result.outcome]] += 1
  const { overbookedWith } = result
  reportConflict(deps, connection.id, { externalId: reservation.id, overbookedWith })
}

const tallied = {
  created: 'created',
  updated: 'updated',
  cancelled: 'updated',
  withdrawn: 'updated',
  rejected: 'waiting',
  unchanged: 'unchanged',
  older: 'unchanged',
  already_processed: 'unchanged',
  waiting: 'waiting',
} as const satisfies Record<string, keyof Tally>

/**
 * Splits into groups that may share a transaction: each reservation once, and of two stays of a listing that overlap
 * only one, so that the second sees the first and an overlap is reported once. Keeps the order of such stays. Pure.
 */
export function splitConflictFree(incoming: IncomingReservation[]): IncomingReservation[][] {
  const groups: Array<{ members: IncomingReservation[]; stays: Map<string, Reservation[]> }> = []
  for (const one of incoming) {
    const { reservation } = one
    const keys = [`reservation ${reservation.id}`, `listing ${reservation.listingId ?? ''}`]
    const clashes = (index: number) =>
      keys.some((key) => groups[index]?.stays.get(key)?.some((other) => overlaps(other, reservation)))
    let index = groups.length
    while (index > 0 && !clashes(index - 1)) index -= 1
    while ((groups[index]?.members.length ?? 0) >= maxTogether) index += 1
    const group = groups[index] ?? { members: [], stays: new Map<string, Reservation[]>() }
    groups[index] = group
    group.members.push(one)
    for (const key of keys) group.stays.set(key, [...(group.stays.get(key) ?? []), reservation])
  }
  return groups.map(({ members }) => members)
}

function overlaps(a: Reservation, b: Reservation): boolean {
  if (a.id === b.id) return true
  if (a.arrivalDate == null || a.departureDate == null || b.arrivalDate == null || b.departureDate == null) {
    return false
  }
  return a.arrivalDate < b.departureDate && b.arrivalDate < a.departureDate
}
