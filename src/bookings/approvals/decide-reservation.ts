import type { Kysely, Transaction } from 'kysely'
import type { Channels } from '../../channels/contract/channel.ts'
import { type Connection, findConnections } from '../../connections/connection-store.ts'
import { findListings, listListingsOfUnit } from '../../listings/listing-store.ts'
import { isOverridden, type ManualOverride } from '../../mapping/booking-overrides.ts'
import { readOverrideFields, type Scalar, sourceNames } from '../../mapping/override-fields.ts'
import type { Database } from '../../platform/db/tables.ts'
import { notFound, Problem } from '../../platform/http/problems.ts'
import { endQueuedWebhooks } from '../../webhooks/webhook-log.ts'
import type { ReservationChange } from '../apply/reservation-events.ts'
import { type ConflictDeps, reportConflict } from '../apply/reservation-events.ts'
import { readStoredReservations, type StoredReservation } from '../apply/stored-reservation.ts'
import { writeReservations } from '../apply/write-reservations.ts'
import { findQueuedReservationById, noteDecision, overridesOf, type QueuedRow } from '../approval-store.ts'
import { lockReservations } from '../booking-store.ts'

/** A row that waits, within a tenant; undefined sees all tenants. */
export type QueuedScope = { id: string; tenantId: string | undefined }

export type ImportOrder = {
  /** Undefined keeps an earlier override, null removes it. */
  unitId: string | null | undefined
  fields: Record<string, Scalar>
  /** The name of the token that decides. */
  by: string
}

export type DecisionDeps = ConflictDeps & { db: Kysely<Database>; channels: Channels }

type Waiting = { row: QueuedRow; stored: StoredReservation; connection: Connection }

/**
 * Books a waiting reservation from its newest version and the overrides of the manager. Takes the same locks and
 * the same path as a webhook, so whichever comes second sees the first. Safe to repeat: what is booked already is
 * answered as it is. Throws a Problem that names everything that is still missing, and writes nothing then.
 */
export async function importQueued(
  deps: DecisionDeps,
  scope: QueuedScope,
  order: ImportOrder,
): Promise<QueuedRow> {
  const { said, problems } = readOverrideFields(order.fields)
  if (problems.length > 0) throw new Problem(422, 'VALIDATION_FAILED', 'The fields are not valid', problems)
  const { decided, change } = await deps.db.transaction().execute(async (trx) => {
    const waiting = await lockWaiting(trx, deps.channels, scope)
    const { row, stored } = waiting
    const approved: ManualOverride = { ...said, ...(await overriddenUnit(trx, row, order.unitId)) }
    if (
      row.status === 'imported' &&
      stored.booking !== undefined &&
      isOverridden(overridesOf(row), approved)
    ) {
      return { decided: row, change: undefined }
    }
    const change = await book(trx, waiting, approved)
    if (change.after === undefined) throw incomplete(await requireRow(trx, scope))
    await noteDecision(trx, row.id, { status: 'imported', by: order.by, reason: null })
    await endWebhooks(trx, waiting, change.before === undefined ? 'created' : 'updated')
    return { decided: await requireRow(trx, scope), change }
  })
  if (change !== undefined) reportConflict(deps, change.connection.id, change)
  return decided
}

/**
 * Rejects a waiting reservation. The channel still holds it, so its nights stay blocked until it is cancelled there.
 * Safe to repeat, with another reason too.
 */
export async function rejectQueued(
  deps: DecisionDeps,
  scope: QueuedScope,
  { reason, by }: { reason: string; by: string },
): Promise<QueuedRow> {
  return deps.db.transaction().execute(async (trx) => {
    const waiting = await lockWaiting(trx, deps.channels, scope)
    const { row, stored } = waiting
    if (stored.booking !== undefined) {
      throw new Problem(
        409,
        'ALREADY_IMPORTED',
        'The reservation is a booking by now; cancel it at the channel',
      )
    }
    if (row.status === 'rejected' && row.rejection_reason === reason) return row
    await noteDecision(trx, row.id, { status: 'rejected', by, reason })
    await endWebhooks(trx, waiting, 'rejected')
    return requireRow(trx, scope)
  })
}

async function lockWaiting(
  trx: Transaction<Database>,
  channels: Channels,
  scope: QueuedScope,
): Promise<Waiting> {
  const { connection_id: connectionId, external_id: externalId } = await requireRow(trx, scope)
  await lockReservations(trx, [{ connectionId, externalId }])
  const [connection] = await findConnections(trx, [connectionId])
  if (connection === undefined) throw notFound('The connection')
  const { format } = channels.of(connection.channel)
  const [stored] = await readStoredReservations(trx, [{ connectionId, externalId, format }])
  // Read again: it may have changed before the lock was ours.
  const row = await requireRow(trx, scope)
  if (stored === undefined) throw notFound('The reservation')
  if (row.status === 'withdrawn') {
    throw new Problem(409, 'RESERVATION_WITHDRAWN', 'The reservation was cancelled at the channel meanwhile')
  }
  return { row, stored, connection }
}

async function book(
  trx: Transaction<Database>,
  { row, stored, connection }: Waiting,
  approved: ManualOverride,
): Promise<ReservationChange> {
  const reservation = stored.newest?.reservation
  if (stored.newest === undefined || reservation == null) {
    throw new Error(`The reservation of queue row ${row.id} cannot be read again`)
  }
  const { listingId } = reservation
  const connectionId = connection.id
  const [listing] = await findListings(trx, listingId === undefined ? [] : [{ connectionId, listingId }])
  const { version } = stored.newest
  const incoming = { connection, reservation, version, webhook: null, isStored: true, approved }
  const [written] = await writeReservations(trx, [{ incoming, reservation, stored, listing }])
  if (written === undefined) throw new Error('A reservation was written without a result')
  return written.change
}

async function overriddenUnit(
  trx: Transaction<Database>,
  row: QueuedRow,
  unitId: string | null | undefined,
): Promise<Pick<ManualOverride, 'unit'>> {
  if (unitId === undefined) return {}
  if (unitId === null) return { unit: null }
  const listings = await listListingsOfUnit(trx, { tenantId: row.tenant_id, unitId })
  const own = listings.find((listing) => listing.connection_id === row.connection_id)
  return { unit: { unitId, listingId: own?.listing_id ?? null } }
}

async function endWebhooks(trx: Transaction<Database>, { row }: Waiting, outcome: string): Promise<void> {
  await endQueuedWebhooks(trx, [
    {
      connectionId: row.connection_id,
      externalId: row.external_id,
      newest: { id: row.webhook_id, outcome },
    },
  ])
}

async function requireRow(db: Kysely<Database>, { id, tenantId }: QueuedScope): Promise<QueuedRow> {
  const row = await findQueuedReservationById(db, id, tenantId)
  if (row === undefined) throw notFound('The reservation')
  return row
}

const answers = new Map<string, string>(
  Object.entries(sourceNames).flatMap(([field, names]) =>
    [field, ...names].map((name) => [name, `send \`fields.${field}\``] as const),
  ),
)

function incomplete({ problems }: QueuedRow): Problem {
  return new Problem(
    422,
    'RESERVATION_INCOMPLETE',
    'Fields are still missing; set them with the import, or correct them at the channel and wait for its webhook',
    problems.map(({ field, message }) => ({ field, message: `${message}: ${answerTo(field)}` })),
  )
}

function answerTo(field: string): string {
  if (field === 'listingMapId' || field === 'listingId') return 'send `unitId`, or map the listing to a unit'
  return answers.get(field) ?? `send \`fields.${field.replace(/^fields\./, '')}\``
}
