import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { JobQueues } from '../queues.ts'
import type { Logger } from '../telemetry/logger.ts'
import { createThrottle } from '../telemetry/throttle.ts'
import { createGroupCommit } from './group-commit.ts'
import { appendWebhooks, isDataError, markEnqueued, type NewWebhook } from './webhook-log.ts'

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
const markEveryMs = 500
const warnEveryMs = 5_000

export type WebhookInboxOptions = {
  /** Connections of its own, so that no other query makes a webhook wait. */
  db: Kysely<Database>
  queues: Pick<JobQueues, 'enqueueWebhooks'>
  log: Logger
}

export function createWebhookInbox({ db, queues, log }: WebhookInboxOptions): WebhookInbox {
  // Most webhooks are processed before they are marked, and a processed row needs no mark: so marking waits a little.
  let enqueued: string[] = []
  const throttle = createThrottle(warnEveryMs)
  const timer = setInterval(() => void mark(), markEveryMs)
  timer.unref()

  async function mark(): Promise<void> {
    if (enqueued.length === 0) return
    const ids = enqueued
    enqueued = []
    // Unmarked rows are enqueued again by the sweep, which is harmless.
    await markEnqueued(db, ids).catch((error: unknown) => log.warn({ err: error }, 'webhook.mark_failed'))
  }

  function enqueue(webhooks: NewWebhook[]): void {
    const ids = webhooks.map(({ id }) => id)
    queues.enqueueWebhooks(ids).then(
      () => {
        enqueued = enqueued.concat(ids)
      },
      (error: unknown) => {
        throttle((heldBack) =>
          log.warn({ err: error, webhooks: ids.length, heldBack }, 'webhook.enqueue_failed'),
        )
      },
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
    async close() {
      await group.drain()
      clearInterval(timer)
      await mark()
    },
  }
}
