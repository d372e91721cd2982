import { v7 as uuid } from 'uuid'
import type { QueueName } from '../telemetry/metrics.ts'
import { createBacklogPriorities } from './backlog-priorities.ts'
import { openQueueBackend, type QueueBackendOptions } from './queue-backend.ts'
import type { NewJob, QueueHandle } from './queue-producer.ts'

/** What a job of each queue carries: ids only, the rest is read from Postgres when it runs. */
export type InboundJob = { webhookId: string }
/** Webhooks of one connection that were stored together. */
export type InboundBatchJob = { webhookIds: string[]; connectionId: string }
export type OutboundJob = { connectionId: string }
export type BookingPushJob = { bookingsOf: string }

export const inboundQueue = 'inbound' satisfies QueueName
export const outboundQueue = 'outbound' satisfies QueueName
export const processWebhookJob = 'process-webhook'
export const processWebhooksJob = 'process-webhooks'
export const syncConnectionJob = 'sync-connection'
export const pushBookingsJob = 'push-bookings'
// A job costs as much as storing a webhook does, so webhooks that were stored together share one.
const webhooksPerJob = 64
const priorityWindowMs = 60_000

/** The producers' side of every queue. Each call fails fast while the backend is down; the caller may ignore that, the sweep repairs it. */
export type JobQueues = {
  /**
   * Adds jobs for stored webhooks, up to 64 of one connection in each. The more a connection has enqueued recently,
   * the lower the priority of its next ones. A webhook that is added twice is processed once.
   */
  enqueueWebhooks(webhooks: StoredWebhook[]): Promise<void>
  /**
   * Adds a job of its own, which starts in `delayMs`, for each of these webhooks of a batch that were not done. They
   * come behind those of their connection that were not tried yet, and behind other connections' first ones.
   */
  enqueueWebhooksAgain(webhooks: WebhookAgain[]): Promise<void>
  /** Adds the webhook again under a fresh id, so that no trace of an earlier run can make it a no-op. */
  enqueueWebhookReplay(webhookId: string): Promise<void>
  /**
   * Sees to it that a job of each connection starts in `inMs`: a waiting one is moved to that moment, and while one is
   * running it is followed by exactly one more. One for abandoned work does not wait for a running one, whose worker
   * may be dead.
   */
  enqueueSync(connections: WakeTime[], how?: { isAbandoned?: boolean }): Promise<void>
  /** The same for the job that tells the channel of a connection's bookings. */
  enqueueBookingPushes(connections: WakeTime[], how?: { isAbandoned?: boolean }): Promise<void>
  /** Jobs that a worker could begin now, without the delayed and the running ones. */
  dueJobs(queue: QueueName): Promise<number>
  /** True when the backend can take jobs now. */
  ready(): boolean
  close(): Promise<void>
}

/** In how many milliseconds a connection has work that may be done. */
export type WakeTime = { connectionId: string; inMs: number }

export type StoredWebhook = { id: string; connectionId: string }
/** `attemptsBefore` counts the attempts that were made already. */
export type WebhookAgain = StoredWebhook & { delayMs: number; attemptsBefore: number }

export type JobQueuesOptions = QueueBackendOptions

export function openJobQueues(options: JobQueuesOptions): JobQueues {
  const backend = openQueueBackend(options)
  const inbound: QueueHandle = backend.openQueue(inboundQueue)
  const outbound: QueueHandle = backend.openQueue(outboundQueue)
  const priorities = createBacklogPriorities({ windowMs: priorityWindowMs, perStep: webhooksPerJob })
  return {
    enqueueWebhooks: (webhooks) =>
      inbound.add(
        batchesOf(webhooks).map(({ connectionId, ids }) => ({
          ...jobOfBatch(ids, connectionId),
          priority: priorities.next(connectionId, ids.length),
        })),
      ),
    enqueueWebhooksAgain: (webhooks) =>
      inbound.add(
        webhooks.map(({ id, connectionId, delayMs, attemptsBefore }) => ({
          ...jobOfOne(id, attemptsBefore),
          delayMs,
          // A retry was served before, and a tenant whose webhooks all fail has many of them.
          priority: 1 + priorities.next(connectionId, 1),
        })),
      ),
    enqueueWebhookReplay: (webhookId) =>
      inbound.add([
        {
          name: processWebhookJob,
          data: { webhookId } satisfies InboundJob,
          jobId: `replay-${uuid()}`,
        },
      ]),
    enqueueSync: (connections, how) => outbound.add(connections.map((wake) => outboundJob(wake, how))),
    enqueueBookingPushes: (connections, how) =>
      outbound.add(connections.map((wake) => bookingPushJob(wake, how))),
    dueJobs: (queue) => (queue === outboundQueue ? outbound : inbound).dueJobs(),
    ready: () => backend.ready(),
    close: () => backend.close(),
  }
}

function batchesOf(webhooks: StoredWebhook[]): Array<{ connectionId: string; ids: string[] }> {
  const byConnection = Map.groupBy(webhooks, ({ connectionId }) => connectionId)
  return [...byConnection].flatMap(([connectionId, ofConnection]) =>
    Array.from({ length: Math.ceil(ofConnection.length / webhooksPerJob) }, (_, index) => ({
      connectionId,
      ids: ofConnection.slice(index * webhooksPerJob, (index + 1) * webhooksPerJob).map(({ id }) => id),
    })),
  )
}

function jobOfBatch(webhookIds: string[], connectionId: string): NewJob {
  const [webhookId] = webhookIds
  return webhookIds.length === 1 && webhookId !== undefined
    ? jobOfOne(webhookId, 0)
    : {
        name: processWebhooksJob,
        data: { webhookIds, connectionId } satisfies InboundBatchJob,
        jobId: `webhooks-${uuid()}`,
      }
}

// A webhook alone has a job id of its own, so that a waiting one is not added twice.
function jobOfOne(webhookId: string, attemptsBefore: number): NewJob {
  const job: InboundJob = { webhookId }
  return { name: processWebhookJob, data: { ...job, attemptsBefore }, jobId: `webhook-${webhookId}` }
}

function outboundJob({ connectionId, inMs }: WakeTime, { isAbandoned = false } = {}) {
  return {
    name: syncConnectionJob,
    data: { connectionId } satisfies OutboundJob,
    jobId: `sync-${uuid()}`,
    oneAtATime: isAbandoned ? `abandoned-${connectionId}` : connectionId,
    delayMs: inMs,
  }
}

function bookingPushJob({ connectionId, inMs }: WakeTime, { isAbandoned = false } = {}) {
  return {
    name: pushBookingsJob,
    data: { bookingsOf: connectionId } satisfies BookingPushJob,
    jobId: `bookings-${uuid()}`,
    oneAtATime: `${isAbandoned ? 'abandoned-' : ''}bookings-${connectionId}`,
    delayMs: inMs,
  }
}
