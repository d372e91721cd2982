import { v7 as uuid } from 'uuid'
import { openQueueBackend, type QueueBackendOptions } from './queue-backend.ts'
import type { QueueHandle } from './queue-producer.ts'
import type { QueueName } from './telemetry/metrics.ts'

/** What a job of each queue carries: ids only, the rest is read from Postgres when it runs. */
export type InboundJob = { webhookId: string }
export type OutboundJob = { connectionId: string }

export const inboundQueue = 'inbound' satisfies QueueName
export const outboundQueue = 'outbound' satisfies QueueName
/** Not a queue of jobs but of timers; it has a name for its metrics only. */
export const upkeepQueue = 'upkeep' satisfies QueueName
const processWebhook = 'process-webhook'
const syncConnection = 'sync-connection'

/** The producers' side of every queue. Each call fails fast while the backend is away; nobody needs it to succeed, the sweep repairs it. */
export type JobQueues = {
  /** Adds a job per stored webhook; a webhook that waits already is not added twice. */
  enqueueWebhooks(webhookIds: string[]): Promise<void>
  /** Adds the webhook again under a fresh id, so that no trace of an earlier run can make it a no-op. */
  enqueueWebhookReplay(webhookId: string): Promise<void>
  /**
   * Sees to it that a job of each connection starts in `inMs`: a waiting one is moved to that moment, and while one is
   * running it is followed by exactly one more.
   */
  enqueueSync(connections: Array<{ connectionId: string; inMs: number }>): Promise<void>
  /** Jobs that a worker could begin now, without the delayed and the running ones. */
  dueJobs(queue: QueueName): Promise<number>
  /** True when the backend can take jobs now. */
  ready(): boolean
  close(): Promise<void>
}

export type JobQueuesOptions = QueueBackendOptions

export function openJobQueues(options: JobQueuesOptions): JobQueues {
  const backend = openQueueBackend(options)
  const inbound: QueueHandle = backend.openQueue(inboundQueue)
  const outbound: QueueHandle = backend.openQueue(outboundQueue)
  return {
    enqueueWebhooks: (webhookIds) =>
      inbound.addBulk(webhookIds.map((webhookId) => inboundJob(webhookId, `webhook-${webhookId}`))),
    enqueueWebhookReplay: (webhookId) => inbound.addBulk([inboundJob(webhookId, `replay-${uuid()}`)]),
    enqueueSync: (connections) => outbound.addBulk(connections.map(outboundJob)),
    dueJobs: (queue) => (queue === outboundQueue ? outbound : inbound).dueJobs(),
    ready: () => backend.ready(),
    close: () => backend.close(),
  }
}

function inboundJob(webhookId: string, jobId: string) {
  return { name: processWebhook, data: { webhookId } satisfies InboundJob, jobId }
}

function outboundJob({ connectionId, inMs }: { connectionId: string; inMs: number }) {
  return {
    name: syncConnection,
    data: { connectionId } satisfies OutboundJob,
    jobId: `sync-${uuid()}`,
    oneAtATime: connectionId,
    delayMs: inMs,
  }
}
