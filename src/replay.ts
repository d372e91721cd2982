import type { Kysely } from 'kysely'
import { reopenPush } from './bookings/outgoing/push-store.ts'
import { reopenDeadLettered } from './calendar/schedule-store.ts'
import { signalConnections } from './calendar/sweep-pushes.ts'
import {
  type DeadLetterFilter,
  findOpenDeadLetterOf,
  listDeadLetters,
  markReplayed,
} from './dead-letters/dead-letter-store.ts'
import type { Database, DeadLetterRow, WebhookLogRow } from './platform/db/tables.ts'
import { Problem } from './platform/http/problems.ts'
import { historyQueue, type JobQueues } from './platform/queue/queues.ts'
import { replayHistory } from './polling/replay-history.ts'
import { reopenWebhook } from './webhooks/webhook-log.ts'

type ReplayQueues = Pick<JobQueues, 'enqueueWebhookReplay' | 'enqueueSync' | 'enqueueBookingPushes'>

const pageRows = 200

/**
 * Lets a dead letter's job run again, a webhook's under a fresh id; false if it was replayed or discarded already. The
 * row and what it is about change in one transaction, and the sweep enqueues what the queue does not take now. Throws a
 * Problem where it cannot run now; the letter stays open.
 */
export async function replayDeadLetter(
  db: Kysely<Database>,
  queues: ReplayQueues,
  letter: DeadLetterRow,
): Promise<boolean> {
  const { webhookId, connectionId, listingId, day, bookingId } = letter.payload
  const replayed = await db.transaction().execute(async (trx) => {
    if (!(await markReplayed(trx, letter.id))) return false
    if (webhookId !== undefined) await reopenWebhook(trx, webhookId)
    if (connectionId !== undefined && listingId !== undefined) {
      await reopenDeadLettered(trx, { connectionId, listingId, day })
    }
    if (bookingId !== undefined) await reopenPush(trx, bookingId)
    if (letter.queue === historyQueue) await replayHistory(trx, letter)
    return true
  })
  if (replayed && webhookId !== undefined) await enqueue(queues, webhookId)
  if (replayed && connectionId !== undefined && bookingId !== undefined) {
    await queues.enqueueBookingPushes([{ connectionId, inMs: 0 }]).catch(() => undefined)
  } else if (replayed && connectionId !== undefined) await signalConnections(db, queues, [connectionId])
  return replayed
}

/**
 * Replays every open dead letter that matches and was there when it began, but those that cannot run now; returns how
 * many it replayed itself.
 */
export async function replayAll(
  db: Kysely<Database>,
  queues: ReplayQueues,
  filter: Omit<DeadLetterFilter, 'status' | 'limit' | 'before'>,
): Promise<number> {
  let count = 0
  let before: string | undefined
  for (;;) {
    // Backwards through the ids, so that a letter that fails again meanwhile is not met twice.
    const page = await listDeadLetters(db, { ...filter, status: 'open', before, limit: pageRows })
    for (const letter of page.slice(0, pageRows)) {
      if (await replayDeadLetter(db, queues, letter).catch(falseIfNotNow)) count += 1
      before = letter.id
    }
    if (page.length <= pageRows) return count
  }
}

/** Processes a webhook once more, and closes the dead letter it may have left. Safe to repeat. */
export async function replayWebhook(
  db: Kysely<Database>,
  queues: ReplayQueues,
  webhook: Pick<WebhookLogRow, 'id'>,
): Promise<void> {
  const letter = await findOpenDeadLetterOf(db, webhook.id)
  if (letter !== undefined && (await replayDeadLetter(db, queues, letter))) return
  // Also one that has not ended: its job may be waiting for a while yet.
  await reopenWebhook(db, webhook.id)
  await enqueue(queues, webhook.id)
}

function falseIfNotNow(error: unknown): false {
  if (!(error instanceof Problem)) throw error
  return false
}

async function enqueue(queues: ReplayQueues, webhookId: string): Promise<void> {
  await queues.enqueueWebhookReplay(webhookId).catch(() => undefined)
}
