import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { failureKinds } from '../errors.ts'

/** The event types that appear as a label; anything else Hostaway sends is counted as `other`. */
export const eventTypes = [
  'reservation.created',
  'reservation.updated',
  'reservation.cancelled',
  'message.received',
  'listing.created',
  'listing.updated',
  'listing.deleted',
  'calendar.updated',
  'task.created',
  'task.updated',
  'other',
] as const
export type EventType = (typeof eventTypes)[number]

/** Values of the label `queue`, also in dead letters: besides the queues the polling loops and the sweeps, which have none. */
export const workNames = ['inbound', 'outbound', 'history', 'upkeep'] as const
export type WorkName = (typeof workNames)[number]
/** The queues of jobs among them. */
export type QueueName = Extract<WorkName, 'inbound' | 'outbound'>

/** Why the list of reservations was read. */
export const historySources = ['import', 'reconcile'] as const
export type HistorySource = (typeof historySources)[number]

export const breakerStates = ['open', 'closed', 'half_open'] as const
export type BreakerState = (typeof breakerStates)[number]

const syncTypes = ['calendar', 'listing'] as const
const bookingPushActions = ['create', 'change', 'cancel'] as const
const outcomes = ['success', 'failure'] as const
const importEnds = ['completed', 'failed', 'cancelled'] as const
const readOutcomes = ['changed', 'unchanged', 'waiting', 'failed'] as const
const webhookRepairs = ['missing', 'duplicate', 'disabled', 'address', 'credentials'] as const
export const connectionStatuses = ['connecting', 'active', 'paused', 'needs_reauth', 'disconnected'] as const

/** Every metric of the product, declared once. Label values come from closed sets, never from ids. */
export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })

  const metrics = {
    registry,
    webhooksReceived: new Counter({
      name: 'hostaway_webhooks_received_total',
      help: 'Webhooks stored, by event type',
      labelNames: ['event_type'] as const,
      registers,
    }),
    webhooksRefused: new Counter({
      name: 'hostaway_webhooks_refused_total',
      help: 'Webhook requests answered without storing anything, by answer',
      labelNames: ['status_code'] as const,
      registers,
    }),
    webhooksProcessed: new Counter({
      name: 'hostaway_webhooks_processed_total',
      help: 'Webhooks with a final outcome, by event type and status',
      labelNames: ['event_type', 'status'] as const,
      registers,
    }),
    webhookDuration: new Histogram({
      name: 'hostaway_webhooks_processing_duration_seconds',
      help: 'From receipt of a webhook to its outcome',
      labelNames: ['event_type'] as const,
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800],
      registers,
    }),
    oldestUnprocessedWebhook: new Gauge({
      name: 'hostaway_webhooks_oldest_unprocessed_seconds',
      help: 'Age of the oldest stored webhook without an outcome',
      registers,
    }),
    apiRequests: new Counter({
      name: 'hostaway_api_requests_total',
      help: 'Calls to Hostaway; status_code is the answer, or the failure kind without one',
      labelNames: ['method', 'endpoint', 'status_code'] as const,
      registers,
    }),
    apiDuration: new Histogram({
      name: 'hostaway_api_request_duration_seconds',
      help: 'Duration of calls to Hostaway',
      labelNames: ['method', 'endpoint'] as const,
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    syncJobs: new Counter({
      name: 'hostaway_sync_jobs_total',
      help: 'Pushes to Hostaway, by type and status',
      labelNames: ['sync_type', 'status'] as const,
      registers,
    }),
    syncDuration: new Histogram({
      name: 'hostaway_sync_job_duration_seconds',
      help: 'Duration of a push to Hostaway',
      labelNames: ['sync_type'] as const,
      registers,
    }),
    syncQueueLength: new Gauge({
      name: 'hostaway_sync_queue_length',
      help: 'Listings waiting to be pushed',
      labelNames: ['sync_type'] as const,
      registers,
    }),
    syncPendingDays: new Gauge({
      name: 'hostaway_sync_pending_days',
      help: 'Nights whose desired values differ from the pushed ones',
      registers,
    }),
    bookingPushes: new Counter({
      name: 'hostaway_booking_pushes_total',
      help: 'Pushes of bookings made or changed in TVL, by operation and status',
      labelNames: ['action', 'status'] as const,
      registers,
    }),
    bookingPushesWaiting: new Gauge({
      name: 'hostaway_booking_pushes_waiting',
      help: 'Bookings made or changed in TVL whose push is still pending',
      registers,
    }),
    driftedDays: new Counter({
      name: 'hostaway_sync_drifted_days_total',
      help: 'Nights whose observed values differed from the pushed ones',
      registers,
    }),
    breakerState: new Gauge({
      name: 'hostaway_circuit_breaker_state',
      help: '1 for the current state of the circuit breaker of this process',
      labelNames: ['state'] as const,
      registers,
    }),
    limiterAvailable: new Gauge({
      name: 'hostaway_rate_limiter_available_tokens',
      help: 'Calls left in the current window; for accounts the minimum over all',
      labelNames: ['window'] as const,
      registers,
    }),
    deadLettersOpen: new Gauge({
      name: 'hostaway_dead_letters_open',
      help: 'Dead letters that wait for a person',
      registers,
    }),
    deadLetters: new Counter({
      name: 'hostaway_dead_letters_total',
      help: 'Jobs that failed for good, by queue and kind of failure',
      labelNames: ['queue', 'kind'] as const,
      registers,
    }),
    workerLastProgress: new Gauge({
      name: 'hostaway_worker_last_progress_seconds',
      help: 'Seconds since the worker of a queue finished a job or had nothing to do',
      labelNames: ['queue'] as const,
      registers,
    }),
    workerRebuilds: new Counter({
      name: 'hostaway_worker_rebuilds_total',
      help: 'Workers that took no jobs while some waited, and were replaced',
      labelNames: ['queue'] as const,
      registers,
    }),
    connections: new Gauge({
      name: 'hostaway_connections',
      help: 'Connections by status',
      labelNames: ['status'] as const,
      registers,
    }),
    lastWebhookAge: new Gauge({
      name: 'hostaway_webhooks_last_received_seconds',
      help: 'Seconds since the last webhook, maximum over the active connections',
      registers,
    }),
    webhookRepairs: new Counter({
      name: 'hostaway_webhook_repairs_total',
      help: 'Repairs of registered webhooks, by reason',
      labelNames: ['reason'] as const,
      registers,
    }),
    connectionKeyAge: new Gauge({
      name: 'hostaway_connection_key_age_seconds',
      help: 'Age of the oldest API key of the connections that are not disconnected',
      registers,
    }),
    importsRunning: new Gauge({
      name: 'hostaway_imports_running',
      help: 'Imports that are running',
      registers,
    }),
    imports: new Counter({
      name: 'hostaway_imports_total',
      help: 'Ended imports, by status',
      labelNames: ['status'] as const,
      registers,
    }),
    historyReservations: new Counter({
      name: 'hostaway_history_reservations_total',
      help: 'Reservations read by polling, by source and outcome; no webhook brought those that a reconcile changed',
      labelNames: ['source', 'outcome'] as const,
      registers,
    }),
    lastReconcileAge: new Gauge({
      name: 'hostaway_reconcile_last_completed_seconds',
      help: 'Seconds since the last complete reconcile, maximum over the active connections with reconciles',
      registers,
    }),
    bookingConflicts: new Counter({
      name: 'hostaway_booking_conflicts_total',
      help: 'Confirmed bookings that overlap on one listing beyond its units',
      registers,
    }),
  }
  startAtZero(metrics)
  return metrics
}

export type Metrics = ReturnType<typeof createMetrics>

// A series that appears with its first event has no increase to see: an alert on its rate would miss that event.
function startAtZero(metrics: ReturnType<typeof createMetrics>): void {
  for (const event_type of eventTypes) {
    metrics.webhooksReceived.inc({ event_type }, 0)
    metrics.webhookDuration.zero({ event_type })
    for (const status of outcomes) metrics.webhooksProcessed.inc({ event_type, status }, 0)
  }
  for (const sync_type of syncTypes) {
    metrics.syncQueueLength.set({ sync_type }, 0)
    metrics.syncDuration.zero({ sync_type })
    for (const status of outcomes) metrics.syncJobs.inc({ sync_type, status }, 0)
  }
  for (const action of bookingPushActions) {
    for (const status of outcomes) metrics.bookingPushes.inc({ action, status }, 0)
  }
  for (const queue of workNames) {
    metrics.workerRebuilds.inc({ queue }, 0)
    for (const kind of Object.keys(failureKinds)) metrics.deadLetters.inc({ queue, kind }, 0)
  }
  for (const reason of webhookRepairs) metrics.webhookRepairs.inc({ reason }, 0)
  for (const status of importEnds) metrics.imports.inc({ status }, 0)
  for (const source of historySources) {
    for (const outcome of readOutcomes) metrics.historyReservations.inc({ source, outcome }, 0)
  }
  for (const status of connectionStatuses) metrics.connections.set({ status }, 0)
  for (const state of breakerStates) metrics.breakerState.set({ state }, state === 'closed' ? 1 : 0)
}
