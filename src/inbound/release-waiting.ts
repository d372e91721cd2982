import type { Kysely } from 'kysely'
import { findReleasedWebhooks } from '../approvals/approval-store.ts'
import type { Database } from '../db/tables.ts'
import type { JobQueues } from '../queues.ts'
import { reopenWebhook } from './webhook-log.ts'

const mostAtOnce = 200

/**
 * Processes reservations again that waited for a listing, once it is known and mapped. Safe to run anywhere at any
 * time; returns how many were released. What the queue does not take now is found by the sweep.
 */
export async function releaseWaiting(
  db: Kysely<Database>,
  queues: Pick<JobQueues, 'enqueueWebhookReplay'>,
): Promise<number> {
  const webhookIds = await findReleasedWebhooks(db, mostAtOnce)
  for (const webhookId of webhookIds) {
    if (await reopenWebhook(db, webhookId))
      await queues.enqueueWebhookReplay(webhookId).catch(() => undefined)
  }
  return webhookIds.length
}
