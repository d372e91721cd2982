import { findOpenDeadLetterOf } from '../dead-letters/dead-letter-store.ts'
import { type ReplayDeps, replayDeadLetter } from '../dead-letters/replay-dead-letter.ts'
import type { JobQueues } from '../platform/queue/queues.ts'
import { reopenWebhook } from './webhook-log.ts'

export type ReplayWebhookDeps = ReplayDeps & { queues: Pick<JobQueues, 'enqueueWebhookReplay'> }

/** Processes a webhook once more, and closes the dead letter it may have left. Safe to repeat. */
export async function replayWebhook(deps: ReplayWebhookDeps, webhookId: string): Promise<void> {
  const letter = await findOpenDeadLetterOf(deps.db, webhookId)
  if (letter !== undefined && (await replayDeadLetter(deps, letter))) return
  // Also one that has not ended: its job may be waiting for a while yet.
  await reopenWebhook(deps.db, webhookId)
  await enqueueAgain(deps, webhookId)
}

/** Enqueues a webhook that was reopened, under a fresh id. Never rejects: the sweep enqueues what the queue does not take. */
export async function enqueueAgain(
  { queues }: Pick<ReplayWebhookDeps, 'queues'>,
  webhookId: string,
): Promise<void> {
  await queues.enqueueWebhookReplay(webhookId).catch(() => undefined)
}
