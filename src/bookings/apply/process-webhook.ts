import { signalConnections } from '../../calendar/sweep-pushes.ts'
import { type Channel, capabilityOf } from '../../channels/contract/channel.ts'
import type { Reservation } from '../../channels/contract/reservation.ts'
import type { WebhookEnvelope } from '../../channels/contract/webhook.ts'
import type { ChannelDeps } from '../../connections/call-channel.ts'
import type { Connection } from '../../connections/connection-store.ts'
import type { ConnectionStatus, WebhookLogRow } from '../../platform/db/tables.ts'
import { AppError } from '../../platform/errors.ts'
import type { JobQueues } from '../../platform/queue/queues.ts'
import type { EventType, Metrics } from '../../platform/telemetry/metrics.ts'
import { parkWebhook } from '../../webhooks/parked-webhook-store.ts'
import { finishWebhook } from '../../webhooks/webhook-log.ts'
import type { Applied } from './apply-reservation.ts'
import { fetchListing } from './fetch-listing.ts'
import type { FetchedReservation, ReservationFetcher } from './fetch-reservation.ts'
import type { IncomingReservation } from './incoming-reservation.ts'
import { reportConflict } from './reservation-events.ts'
import { fetchedVersion, isDatedAhead } from './reservation-version.ts'
import type { SharedStatements } from './shared-statements.ts'

export type ProcessWebhookDeps = ChannelDeps & {
  fetcher: ReservationFetcher
  shared: SharedStatements
  metrics: Metrics
  queues: Pick<JobQueues, 'enqueueSync'>
}

const reservationEvents: ReadonlySet<EventType> = new Set<EventType>([
  'reservation.created',
  'reservation.updated',
  'reservation.cancelled',
])
const maxWaitMs = 2_000
const mayAsk: ReadonlySet<ConnectionStatus> = new Set<ConnectionStatus>(['connecting', 'active'])

/**
 * Brings one stored webhook to its end: a booking, a row that waits for a person, or "ignored". Safe to run twice and
 * at the same time; a webhook that has ended is left alone. Returns what came of it, for the log.
 */
export async function processWebhook(deps: ProcessWebhookDeps, webhookId: string): Promise<string> {
  const webhook = await deps.shared.findWebhook(webhookId)
  if (webhook === undefined) return 'unknown_webhook'
  if (webhook.status !== 'received') return 'already_processed'
  const connection = await deps.shared.findConnection(webhook.connection_id)
  if (connection === undefined) throw new AppError('unexpected', 'The webhook’s connection does not exist')
  if (connection.status === 'paused') return park(deps, webhookId, 'The connection is paused')

  const channel = deps.channels.of(connection.channel)
  const envelope = readEnvelope(channel, webhook)
  if (!isAboutReservation(envelope)) {
    const seconds = await finishWebhook(deps.db, webhookId, {
      status: 'ignored',
      outcome: 'event_not_handled',
    })
    countProcessed(deps.metrics, webhook, seconds)
    return 'event_not_handled'
  }
  const result = await applyWebhook(deps, connection, webhook, envelope).catch((error: unknown) => {
    if (error instanceof AppError && error.kind === 'connection_waiting') return error
    throw error
  })
  if (result instanceof AppError) return park(deps, webhookId, result.message)
  countProcessed(deps.metrics, webhook, result.processedAfterSeconds)
  const { overbookedWith } = result
  reportConflict(deps, connection.id, { externalId: envelope.objectId ?? '', overbookedWith })
  // Nights may have been released, which the channel has opened for sale whatever was desired of them.
  if (result.outcome === 'cancelled' || result.outcome === 'updated') {
    await signalConnections(deps.db, deps.queues, [connection.id])
  }
  return result.outcome
}

// Only the connection releases it, in the transaction that makes it active.
async function park({ db }: ProcessWebhookDeps, webhookId: string, reason: string): Promise<string> {
  if (await parkWebhook(db, webhookId)) return 'connection_waiting'
  throw new AppError('connection_waiting', reason, { retryAt: new Date() })
}

/** Counts a webhook that came to an end; `seconds` since its receipt, undefined if another run has counted it. */
export function countProcessed(
  metrics: Metrics,
  webhook: { event_type: string },
  seconds: number | undefined,
  status: 'success' | 'failure' = 'success',
): void {
  if (seconds === undefined) return
  metrics.webhooksProcessed.inc({ event_type: webhook.event_type, status })
  metrics.webhookDuration.observe({ event_type: webhook.event_type }, seconds)
}

async function applyWebhook(
  deps: ProcessWebhookDeps,
  connection: Connection,
  webhook: WebhookLogRow,
  envelope: WebhookEnvelope,
): Promise<Applied> {
  const received = { id: webhook.id, receivedAt: webhook.received_at }
  const sent = readReservation(deps.channels.of(connection.channel), envelope)
  // What is dated ahead proves nothing about its age: the channel is asked.
  const sentOn = isDatedAhead(sent?.updatedOn, webhook.received_at) ? undefined : sent?.updatedOn
  if (sent !== undefined && sentOn !== undefined) {
    const applied = await applyWithListing(deps, connection, {
      reservation: sent,
      version: { kind: 'source', at: sentOn, fetchedAt: null },
      webhook: received,
    })
    if (applied !== 'conflict') return applied
  }
  const externalId = sent?.id ?? envelope.objectId
  if (externalId === null) throw new AppError('invalid_payload', 'The webhook names no reservation')
  const fetched = await fetchReservation(deps, connection, externalId, webhook.received_at)
  if (sentOn !== undefined && isOlder(fetched, sentOn)) {
    // Nothing came of asking, and the next answer may be as new as what was sent.
    deps.fetcher.forget(connection, externalId)
    throw new AppError('malformed_response', 'The channel answered with an older version than it had sent')
  }
  const incoming = incomingOf(fetched, sent, sentOn, envelope.timestamp ?? webhook.received_at)
  const applied = await applyWithListing(deps, connection, { ...incoming, webhook: received })
  if (applied !== 'conflict') return applied
  throw new AppError(
    'not_found',
    'Two bodies have the same version and the channel does not know the reservation',
  )
}

async function fetchReservation(
  deps: ProcessWebhookDeps,
  connection: Connection,
  externalId: string,
  notBefore: Date,
): Promise<FetchedReservation> {
  if (connection.status === 'needs_reauth') {
    throw new AppError('connection_waiting', 'The connection needs a new API key')
  }
  if (connection.status === 'disconnected') {
    throw new AppError('credentials_rejected', 'The connection was disconnected before the channel was asked')
  }
  return deps.fetcher.fetch(connection, externalId, notBefore)
}

function isOlder({ reservation }: FetchedReservation, sentAt: Date): boolean {
  return reservation !== null && (reservation.updatedOn === undefined || reservation.updatedOn < sentAt)
}

// What the channel does not know is taken as it was sent, until a version with `updatedOn` replaces it.
function incomingOf(
  fetched: FetchedReservation,
  sent: Reservation | undefined,
  sentOn: Date | undefined,
  sentAt: Date,
) {
  const { reservation, startedAt: fetchedAt } = fetched
  if (reservation !== null) {
    return { reservation, version: fetchedVersion(reservation, fetchedAt) }
  }
  if (sent === undefined) {
    throw new AppError('not_found', 'The webhook has no body and the channel does not know its reservation')
  }
  return sentOn === undefined
    ? { reservation: sent, version: { kind: 'provisional' as const, at: sentAt, fetchedAt: null } }
    : { reservation: sent, version: { kind: 'source' as const, at: sentOn, fetchedAt: null } }
}

async function applyWithListing(
  deps: ProcessWebhookDeps,
  connection: Connection,
  incoming: Omit<IncomingReservation, 'connection' | 'stopAtUnknownListing'>,
): Promise<Applied | 'conflict'> {
  const mayFetch = connection.autoMapListings && mayAsk.has(connection.status)
  let result = await deps.shared.apply({ ...incoming, connection, stopAtUnknownListing: mayFetch })
  if (result.outcome === 'unknown_listing') {
    // Between two transactions, since none may wait for the channel. Where the channel does not know the listing either, the
    // reservation waits with that as its reason.
    await fetchListing(deps, connection, result.listingId, { urgency: 'urgent', maxWaitMs: maxWaitMs })
    result = await deps.shared.apply({ ...incoming, connection })
  }
  if (result.outcome === 'conflict') return 'conflict'
  if (result.outcome === 'unknown_listing') throw new AppError('unexpected', 'The listing was not waited for')
  return result
}

function readEnvelope(channel: Channel, webhook: WebhookLogRow): WebhookEnvelope {
  const parsed = capabilityOf(channel, 'webhooks').parse(JSON.parse(webhook.body))
  if (!parsed.ok) throw new AppError('invalid_payload', parsed.reason)
  return parsed.event
}

function isAboutReservation(envelope: WebhookEnvelope): boolean {
  return reservationEvents.has(envelope.eventType)
}

function readReservation({ format }: Channel, envelope: WebhookEnvelope): Reservation | undefined {
  if (envelope.data === null) return undefined
  const { reservation, problems } = format.parse(envelope.data)
  if (reservation !== null) return reservation
  if (envelope.objectId !== null) return undefined
  const reasons = problems.map(({ field, message }) => `${field} ${message}`).join('; ')
  throw new AppError('invalid_payload', `The webhook holds no usable reservation: ${reasons}`)
}
