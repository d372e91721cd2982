import { isDeepStrictEqual } from 'node:util'
import type { Kysely } from 'kysely'
import { type Channel, type Channels, capabilityOf } from '../../channels/contract/channel.ts'
import type { Reservation } from '../../channels/contract/reservation.ts'
import type { Connection } from '../../connections/connection-store.ts'
import { findListings } from '../../listings/listing-store.ts'
import {
  type CompiledMapping,
  compileMapping,
  type MappedReservation,
  mapReservation,
} from '../../mapping/apply-mapping.ts'
import type { BookingColumns, BookingDraft, MappingProblem } from '../../mapping/booking-draft.ts'
import { compiledMappings } from '../../mapping/compiled-mappings.ts'
import { bookingTargetNames } from '../../mapping/mapping-spec.ts'
import type { BookingRow, Database } from '../../platform/db/tables.ts'
import { notFound, Problem } from '../../platform/http/problems.ts'
import { findWebhook } from '../../webhooks/webhook-log.ts'
import { toMappedListing } from '../apply/map-reservations.ts'
import type { StoredReservation } from '../apply/stored-reservation.ts'
import type { PreviewedReservation } from './preview-view.ts'
import type { PreviewBody } from './read-mapping-body.ts'
import { listRecentReservations } from './recent-reservations-store.ts'
import { planRemap, type Remapped } from './remap-reservations.ts'

export type PreviewResult =
  | { draft: BookingDraft; problems: MappingProblem[]; warnings: MappingProblem[] }
  | { examined: number; changed: number; incomplete: number; data: PreviewedReservation[] }

/** Carries out a mapping without writing anything; see the route for what it is tried over. */
export async function previewMapping(
  { db, channels }: { db: Kysely<Database>; channels: Channels },
  connection: Connection,
  { spec, reservation: given, webhookId, last }: PreviewBody,
): Promise<PreviewResult> {
  const channel = channels.of(connection.channel)
  const inForce = await compiledMappings(db, [connection.id])
  const mapping = spec === undefined ? inForce.get(connection.id) : compileMapping(spec, 0)
  if (last !== undefined) return previewLast(db, { connection, format: channel.format }, mapping, last)
  const reservation =
    webhookId === undefined
      ? readReservation(channel, given, 'reservation')
      : await reservationOfWebhook(db, connection, channel, webhookId)
  const { draft, problems } = await mapOne(db, connection, mapping, reservation)
  return { draft, problems, warnings: draft.warnings }
}

// Bodies may be large; a few are held at a time.
const chunk = 10

// Decided as it would be if they were mapped again, without a lock: nothing is written.
async function previewLast(
  db: Kysely<Database>,
  remapped: Remapped,
  mapping: CompiledMapping | undefined,
  last: number,
) {
  const data: PreviewedReservation[] = []
  const counts = { examined: 0, changed: 0, incomplete: 0 }
  const externalIds = await listRecentReservations(db, remapped.connection, last)
  for (let at = 0; at < externalIds.length; at += chunk) {
    const page = externalIds.slice(at, at + chunk)
    const planned = await db.transaction().execute((trx) => planRemap(trx, remapped, page, { mapping }))
    for (const { row, stored, draft, problems } of planned) {
      const changes = changesOf(stored, draft)
      counts.examined += 1
      if (changes.length > 0) counts.changed += 1
      if (problems.length > 0) counts.incomplete += 1
      if (changes.length + problems.length + draft.warnings.length === 0) continue
      const bookingId = stored.booking?.id ?? null
      data.push({ externalId: row.externalId, bookingId, changes, problems, warnings: draft.warnings })
    }
  }
  return { ...counts, data }
}

type Mapped = BookingColumns & { fields: Record<string, unknown> }

function changesOf(
  { booking, queued }: StoredReservation,
  after: BookingDraft,
): PreviewedReservation['changes'] {
  const before = booking === undefined ? (queued?.draft as BookingDraft) : toMapped(booking)
  const fieldNames = new Set([...Object.keys(before.fields), ...Object.keys(after.fields)])
  const compared = [
    ...bookingTargetNames.map((name) => ({ field: name, before: before[name], after: after[name] })),
    ...[...fieldNames].map((name) => ({
      field: `fields.${name}`,
      before: before.fields[name] ?? null,
      after: after.fields[name] ?? null,
    })),
  ]
  return compared.filter((change) => !isDeepStrictEqual(change.before, change.after))
}

function toMapped(row: BookingRow): Mapped {
  return {
    guestName: row.guest_name,
    guestEmail: row.guest_email,
    guestPhone: row.guest_phone,
    guestsTotal: row.guests_total,
    guestsAdults: row.guests_adults,
    guestsChildren: row.guests_children,
    guestsInfants: row.guests_infants,
    guestsPets: row.guests_pets,
    amountTotal: row.amount_total,
    currency: row.currency,
    channelName: row.channel_name,
    confirmationCode: row.confirmation_code,
    fields: row.fields,
  }
}

async function mapOne(
  db: Kysely<Database>,
  { id: connectionId }: Connection,
  mapping: CompiledMapping | undefined,
  reservation: Reservation,
): Promise<MappedReservation> {
  const { listingId } = reservation
  const [listing] = await findListings(db, listingId === undefined ? [] : [{ connectionId, listingId }])
  return mapReservation(mapping, reservation, toMappedListing(listing))
}

async function reservationOfWebhook(
  db: Kysely<Database>,
  connection: Connection,
  channel: Channel,
  webhookId: string,
): Promise<Reservation> {
  const webhook = await findWebhook(db, webhookId, connection.tenantId)
  if (webhook?.connection_id !== connection.id) throw notFound('The webhook')
  const parsed = capabilityOf(channel, 'webhooks').parse(JSON.parse(webhook.body))
  return readReservation(channel, parsed.ok ? parsed.event.data : null, 'webhookId')
}

function readReservation({ format }: Channel, data: unknown, field: string): Reservation {
  const { reservation, problems } = format.parse(data)
  if (reservation !== null) return reservation
  throw new Problem(
    422,
    'MAPPING_NOT_APPLICABLE',
    'There is no reservation to map',
    problems.map((problem) => ({ field: `${field}.${problem.field}`, message: problem.message })),
  )
}
