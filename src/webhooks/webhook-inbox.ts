import { setTimeout as pause } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { createBatcher } from '../platform/batch.ts'
import type { Database } from '../platform/db/tables.ts'
import type { JobQueues } from '../platform/queue/queues.ts'
import type { Logger } from '../platform/telemetry/logger.ts'
import { createThrottle } from '../platform/telemetry/throttle.ts'
import { appendWebhooks, isDataError, type NewWebhook } from './webhook-log.ts'

/** Stores webhooks durably and passes their ids on to the workers. */
export type WebhookInbox = {
  /** Resolves once the webhook is committed; what follows it cannot lose it. */
  store(webhook: NewWebhook): Promise<void>
  close(): Promise<void>
}

// Two statements of at most 64 rows in flight gave the best throughput and tail together (docs/decisions/0022).
const maxRows = 64
const maxInFlight = 2
const maxBytes = 4 * 1_048_576
const maxWaiting = 2_000
const maxWaitingBytes = 64 * 1_048_576
const warnEveryMs = 5_000
const floodFrom = 8
const floodPauseMs = 10

export type WebhookInboxOptions = {
  /** Connections of its own, so that no other query makes a webhook wait. */
  db: Kysely<Database>
  queues: Pick<JobQueues, 'enqueueWebhooks'>
  log: Logger
}

export function createWebhookInbox({ db, queues, log }: WebhookInboxOptions): WebhookInbox {
  const throttle = createThrottle(warnEveryMs)

  let toEnqueue: NewWebhook[] = []
  let enqueuing: Promise<void> | undefined
  let isClosing = false

  // What is committed while the queue is busy shares the next call, and its jobs.
  function enqueue(webhooks: NewWebhook[]): void {
    toEnqueue.push(...webhooks)
    enqueuing ??= enqueueAll().finally(() => {
      enqueuing = undefined
    })
  }

  async function enqueueAll(): Promise<void> {
    while (toEnqueue.length > 0) {
      const batch = toEnqueue
      toEnqueue = []
      // The sweep enqueues what the queue did not take.
      await queues
        .enqueueWebhooks(batch)
        .catch((error: unknown) =>
          throttle((heldBack) =>
            log.warn({ err: error, webhooks: batch.length, heldBack }, 'webhook.enqueue_failed'),
          ),
        )
      // A call costs more than what it carries: in a flood, fewer and fuller ones leave more for answering.
      if (batch.length >= floodFrom && !isClosing) await pause(floodPauseMs)
    }
  }

  const batcher = createBatcher<NewWebhook, void>({
    async run(webhooks) {
      await appendWebhooks(db, webhooks)
      enqueue(webhooks)
      return webhooks.map(() => undefined)
    },
    isItemFault: isDataError,
    sizeOf: (webhook) => webhook.body.length,
    maxItems: maxRows,
    maxSize: maxBytes,
    maxInFlight,
    maxWaiting,
    maxWaitingSize: maxWaitingBytes,
  })

  return {
    store: (webhook) => batcher.add(webhook),
    async close() {
      isClosing = true
      await batcher.drain()
      await enqueuing
    },
  }
}
