import { isDeepStrictEqual } from 'node:util'
import type { NewOutboxEvent, OutboxEventType } from '../../outbox/outbox-store.ts'
import type { ApprovalStatus, BlockRow, BookingRow } from '../../platform/db/tables.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import type { Metrics } from '../../platform/telemetry/metrics.ts'
import type { UnitClaim } from '../block-store.ts'
import { knownExternalId, markerOf } from '../booking-marker.ts'
import { type BookingView, toBookingView } from '../booking-view.ts'

/** What applying one version changed. */
export type ReservationChange = {
  connection: { id: string; tenantId: string; tenantSlug: string }
  externalId: string
  bookingId: string | null
  before: BookingRow | undefined
  /** Undefined where no booking was written. */
  after: BookingRow | undefined
  approval: ApprovalStatus | null
  blockBefore: BlockRow | undefined
  blockAfter: BlockRow | undefined
  overbookedWith: string[]
}

/**
 * The claim on nights that has to be looked at for overbooking; null where this reservation claims none, or none that
 * it did not claim before with the same weight, so that one overlap is reported once.
 */
export function newClaim(change: ReservationChange, unitsOfListing: number): UnitClaim | null {
  const { blockBefore, blockAfter } = change
  if (blockAfter === undefined || !blockAfter.confirmed || blockAfter.unit_id === null) return null
  if (blockBefore?.confirmed && isDeepStrictEqual(holding(blockBefore), holding(blockAfter))) return null
  return {
    tenantId: change.connection.tenantId,
    unitId: blockAfter.unit_id,
    firstNight: blockAfter.first_night,
    departure: blockAfter.departure,
    capacity: Math.max(unitsOfListing, blockAfter.unit_count),
    externalId: change.externalId,
  }
}

/** What the events of a booking have in common: of one made here also those from before the channel knew it. */
export function bookingSubject(booking: BookingRow): string {
  const externalId = booking.origin === 'tvl' ? markerOf(booking.id) : booking.external_id
  return reservationSubject({ connectionId: booking.connection_id, externalId })
}

/** What the events of one reservation have in common; they are delivered in order. */
export function reservationSubject(reservation: { connectionId: string; externalId: string }): string {
  return `reservation:${reservation.connectionId}:${reservation.externalId}`
}

/** The events other services hear of a change; none where nothing they can see changed. */
export function eventsOfChange(change: ReservationChange): NewOutboxEvent[] {
  const event = (type: OutboxEventType, data: Record<string, unknown>): NewOutboxEvent => ({
    tenantId: change.connection.tenantId,
    connectionId: change.connection.id,
    subject: subjectOf(change),
    type,
    data,
  })
  return [
    ...bookingEvents(change).map(({ type, booking }) => event(type, { booking })),
    ...nightsEvents(change).map(({ type, nights }) => event(type, nights)),
    ...(change.overbookedWith.length === 0
      ? []
      : [
          event('booking.conflict', {
            bookingId: change.bookingId,
            externalId: knownExternalId(change.externalId),
            with: change.overbookedWith,
            ...describeNights(change.blockAfter),
          }),
        ]),
  ]
}

function subjectOf({ connection, externalId, before, after }: ReservationChange): string {
  const booking = after ?? before
  return booking === undefined
    ? reservationSubject({ connectionId: connection.id, externalId })
    : bookingSubject(booking)
}

function bookingEvents(change: ReservationChange): Array<{ type: OutboxEventType; booking: BookingView }> {
  if (change.after === undefined) return []
  const view = (row: BookingRow) => toBookingView({ ...row, tenant_slug: change.connection.tenantSlug })
  const booking = view(change.after)
  if (change.before === undefined) return [{ type: 'booking.created', booking }]
  if (isDeepStrictEqual(visible(view(change.before)), visible(booking))) return []
  const cancelled = booking.status === 'cancelled' && change.before.status !== 'cancelled'
  return [{ type: cancelled ? 'booking.cancelled' : 'booking.updated', booking }]
}

function nightsEvents(
  change: ReservationChange,
): Array<{ type: OutboxEventType; nights: Record<string, unknown> }> {
  const { blockBefore, blockAfter } = change
  const same =
    blockBefore !== undefined &&
    blockAfter !== undefined &&
    isDeepStrictEqual(holding(blockBefore), holding(blockAfter))
  if (same) return []
  const describe = (block: BlockRow) => ({
    bookingId: change.bookingId,
    externalId: knownExternalId(change.externalId),
    ...describeNights(block),
  })
  return [
    ...(blockBefore === undefined
      ? []
      : [{ type: 'availability.released' as const, nights: describe(blockBefore) }]),
    ...(blockAfter === undefined
      ? []
      : [{ type: 'availability.blocked' as const, nights: describe(blockAfter) }]),
  ]
}

function describeNights(block: BlockRow | undefined): Record<string, unknown> {
  if (block === undefined) return {}
  return {
    listingId: block.listing_id,
    unitId: block.unit_id,
    firstNight: block.first_night,
    departure: block.departure,
    units: block.unit_count,
  }
}

function holding({ listing_id, unit_id, first_night, departure, unit_count }: BlockRow) {
  return { listing_id, unit_id, first_night, departure, unit_count }
}

// What mapped a booking, and what it would have liked to, changes nothing about the booking.
function visible({
  updatedAt: _updatedAt,
  sourceUpdatedAt: _sourceUpdatedAt,
  mappingVersion: _mappingVersion,
  mappingWarnings: _mappingWarnings,
  ...rest
}: BookingView) {
  return rest
}

export type ConflictDeps = { metrics: Metrics; log: Logger }

/** Counts and logs that a reservation overbooks nights, if it does; the event for other services is in the outbox. */
export function reportConflict(
  { metrics, log }: ConflictDeps,
  connectionId: string,
  { externalId, overbookedWith }: { externalId: string; overbookedWith: string[] },
): void {
  if (overbookedWith.length === 0) return
  metrics.bookingConflicts.inc()
  log.warn({ connectionId, reservation: externalId, with: overbookedWith }, 'booking.conflict')
}
