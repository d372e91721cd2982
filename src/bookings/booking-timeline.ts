import type { Kysely } from 'kysely'
import { listEventsOfSubject } from '../outbox/outbox-store.ts'
import type { BookingQueueRow, BookingRow, Database } from '../platform/db/tables.ts'
import { listWebhooksOfReservation } from '../webhooks/webhook-log.ts'
import { bookingSubject } from './apply/reservation-events.ts'
import { findQueuedReservations } from './approval-store.ts'
import { listPushSteps } from './outgoing/push-store.ts'

const maxEntries = 200

export const timelineSteps = [
  'received',
  'processed',
  'approved',
  'stored',
  'published',
  'accepted',
  'pushed',
  'failed',
] as const

export type TimelineEntry = {
  at: Date
  step: (typeof timelineSteps)[number]
  detail: string
  id: string
}

/** Everything that happened to a booking: each webhook and its outcome, approvals, each event, each step of its pushes. */
export async function timelineOf(db: Kysely<Database>, booking: BookingRow): Promise<TimelineEntry[]> {
  const reservation = { connectionId: booking.connection_id, externalId: booking.external_id }
  const [webhooks, events, queued, steps] = await Promise.all([
    listWebhooksOfReservation(db, { ...reservation, limit: maxEntries }),
    listEventsOfSubject(db, {
      tenantId: booking.tenant_id,
      subject: bookingSubject(booking),
      limit: maxEntries,
    }),
    findQueuedReservations(db, [reservation]),
    booking.desired === null ? [] : listPushSteps(db, { bookingId: booking.id, limit: maxEntries }),
  ])
  const entries: TimelineEntry[] = [
    ...webhooks.map((webhook) => ({
      at: webhook.received_at,
      step: 'received' as const,
      detail: webhook.event_type,
      id: webhook.id,
    })),
    ...webhooks.flatMap((webhook) =>
      webhook.processed_at === null
        ? []
        : [
            {
              at: webhook.processed_at,
              step: 'processed' as const,
              detail: webhook.outcome ?? webhook.status,
              id: webhook.id,
            },
          ],
    ),
    ...queued.flatMap(approvalOf),
    { at: booking.created_at, step: 'stored', detail: 'booking created', id: booking.id },
    ...steps,
    ...events.map((event) => ({
      at: event.time,
      step: 'published' as const,
      detail: event.type,
      id: event.id,
    })),
  ]
  return entries.sort((a, b) => a.at.getTime() - b.at.getTime())
}

function approvalOf({ id, decided_at, decided_by, rejection_reason }: BookingQueueRow): TimelineEntry[] {
  if (decided_at === null || decided_by === null || rejection_reason !== null) return []
  return [{ at: decided_at, step: 'approved', detail: `imported by ${decided_by}`, id }]
}
