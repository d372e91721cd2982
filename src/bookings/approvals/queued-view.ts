import { type Static, Type } from 'typebox'
import { showOverrides } from '../../mapping/booking-overrides.ts'
import { overridesOf, type QueuedRow } from '../approval-store.ts'

const nullableText = (description?: string) =>
  Type.Union([Type.String(), Type.Null()], description === undefined ? {} : { description })

export const QueueStatus = Type.Enum(['pending', 'mapped', 'imported', 'rejected', 'withdrawn', 'failed'])

/** A reservation that waits, or waited, for approval. */
export const QueuedView = Type.Object(
  {
    id: Type.String(),
    connectionId: Type.String(),
    externalId: Type.String(),
    listingId: nullableText(),
    status: QueueStatus,
    sourceStatus: nullableText(),
    problems: Type.Array(Type.Object({ field: Type.String(), code: Type.String(), message: Type.String() }), {
      description: 'What is missing or wrong; empty where only approval is missing.',
    }),
    draft: Type.Record(Type.String(), Type.Unknown(), { description: 'The booking as far as it is known.' }),
    overrides: Type.Object(
      {
        unitId: Type.Optional(Type.String()),
        fields: Type.Record(Type.String(), Type.Unknown()),
      },
      {
        description:
          'The overrides that came with the import; each is in force until the channel changes what it stands against.',
      },
    ),
    bookingId: nullableText('The booking that the reservation has become.'),
    rejectionReason: nullableText(),
    decidedAt: nullableText('When a person imported or rejected it.'),
    decidedBy: nullableText('The name of the token that did.'),
    webhookId: nullableText(),
    createdAt: Type.String(),
    updatedAt: Type.String(),
  },
  { title: 'QueuedReservation' },
)
export type QueuedView = Static<typeof QueuedView>

export function toQueuedView(row: QueuedRow): QueuedView {
  // After a rejection the reservation may be cancelled at the channel and reinstated, which needs a new decision.
  const isRejected =
    row.rejection_reason !== null && (row.status === 'rejected' || row.status === 'withdrawn')
  const isDecided = isRejected || (row.rejection_reason === null && row.booking_id !== null)
  return {
    id: row.id,
    connectionId: row.connection_id,
    externalId: row.external_id,
    listingId: row.listing_id,
    status: row.status,
    sourceStatus: row.source_status,
    problems: row.problems,
    draft: row.draft as Record<string, unknown>,
    overrides: showOverrides(overridesOf(row)),
    bookingId: row.booking_id,
    rejectionReason: isRejected ? row.rejection_reason : null,
    decidedAt: isDecided ? (row.decided_at?.toISOString() ?? null) : null,
    decidedBy: isDecided ? row.decided_by : null,
    webhookId: row.webhook_id,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }
}
