import type { Kysely } from 'kysely'
import type { Database, DeadLetterRow } from '../db/tables.ts'
import { reopenWebhook } from '../inbound/webhook-log.ts'
import type { JobQueues } from '../queues.ts'
import { markReplayed } from './dead-letter-store.ts'

/**
 * Lets a dead letter's job run again under a fresh id; false if somebody else did, or discarded it. The row and its
 * webhook change in one transaction, and the sweep enqueues what the queue does not take now.
 */
export async function replayDeadLetter(
  db: Kysely<Database>,
  queues: Pick<JobQueues, 'enqueueWebhookReplay'>,
  letter: DeadLetterRow,
): Promise<boolean> {
  const { webhookId } = letter.payload
  const replayed = await db.transaction().execute(async (trx) => {
    if (!(await markReplayed(trx, letter.id))) return false
    if (webhookId !== undefined) await reopenWebhook(trx, webhookId)
    return true
  })
  if (replayed && webhookId !== undefined) await queues.enqueueWebhookReplay(webhookId).catch(() => undefined)
  return replayed
}
