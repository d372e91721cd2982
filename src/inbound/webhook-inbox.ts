import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { JobQueues } from '../queues.ts'
import type { Logger } from '../telemetry/logger.ts'
import { createThrottle } from '../telemetry/throttle.ts'
import { createGroupCommit } from './group-commit.ts'
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

export type WebhookInboxOptions = {
  /** Connections of its own, so that no other query makes a webhook wait. */
  db: Kysely<Database>
  queues: Pick<JobQueues, 'enqueueWebhooks'>
  log: Logger
}

export function createWebhookInbox({ db, queues, log }: WebhookInboxOptions): WebhookInbox {
  const throttle = createThrottle(warnEveryMs)

  // The sweep enqueues what the queue did not take, and marks what has waited for long.
  function enqueue(webhooks: NewWebhook[]): void {
    queues
      .enqueueWebhooks(webhooks.map(({ id }) => id))
      .catch((error: unknown) =>
        throttle((heldBack) =>
          log.warn({ err: error, webhooks: webhooks.length, heldBack }, 'webhook.enqueue_failed'),
        ),
      )
  }

  const group = createGroupCommit<NewWebhook>({
    write: (webhooks) => appendWebhooks(db, webhooks),
    written: enqueue,
    isDataError,
    bytesOf: (webhook) => webhook.body.length,
    maxRows,
    maxBytes,
    maxInFlight,
    maxWaiting,
    maxWaitingBytes,
  })

  return {
    store: (webhook) => group.add(webhook),
    close: () => group.drain(),
  }
}
