import type { Kysely } from 'kysely'
import type { TimelineEntry } from './bookings/booking-routes.ts'
import type { BookingRow, Database } from './db/tables.ts'
import { reservationSubject } from './inbound/reservation-events.ts'
import { listWebhooksOfReservation } from './inbound/webhook-log.ts'
import { listEventsOfSubject } from './outbox/outbox-store.ts'

const mostEntries = 200

/** Everything that happened to a booking: each webhook received and what became of it, each event published. */
export async function timelineOf(db: Kysely<Database>, booking: BookingRow): Promise<TimelineEntry[]> {
  const reservation = { connectionId: booking.connection_id, externalId: booking.external_id }
  const [webhooks, events] = await Promise.all([
    listWebhooksOfReservation(db, { ...reservation, limit: mostEntries }),
    listEventsOfSubject(db, {
      tenantId: booking.tenant_id,
      subject: reservationSubject(reservation),
      limit: mostEntries,
    }),
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
    { at: booking.created_at, step: 'stored', detail: 'booking created', id: booking.id },
    ...events.map((event) => ({
      at: event.time,
      step: 'published' as const,
      detail: event.type,
      id: event.id,
    })),
  ]
  return entries.sort((a, b) => a.at.getTime() - b.at.getTime())
}
