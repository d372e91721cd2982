import type { Kysely } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import { inboundQueue, type JobQueues } from '../platform/queue/queues.ts'
import { findWaitingWebhooks } from './parked-webhook-store.ts'
import { findWebhooksToEnqueue, markEnqueued } from './webhook-log.ts'

export type SweepOptions = {
  /** A stored webhook that has not come to an end is enqueued after this long, if no jobs wait. */
  neverEnqueuedForMs: number
  /** The same while jobs wait, its own perhaps among them; and again whenever it was enqueued so long ago. */
  enqueuedForMs: number
}

const batchRows = 500
const maxBatches = 40

/**
 * Enqueues stored webhooks that have no job: the process died before it could, or the queue lost them. Safe to run
 * anywhere at any time; returns how many were offered. Rejects when the queue is away, and nothing is marked then.
 */
export async function sweepWebhooks(
  db: Kysely<Database>,
  queues: Pick<JobQueues, 'enqueueWebhooks' | 'dueJobs'>,
  { neverEnqueuedForMs, enqueuedForMs }: SweepOptions,
): Promise<number> {
  // Behind a backlog most of those that wait do have a job, and offering them all would add as many again.
  const isBacklog = (await queues.dueJobs(inboundQueue)) > 0
  const ages = { neverEnqueuedForMs: isBacklog ? enqueuedForMs : neverEnqueuedForMs, enqueuedForMs }
  let offered = 0
  for (let batch = 0; batch < maxBatches; batch += 1) {
    const webhooks = await findWebhooksToEnqueue(db, { ...ages, limit: batchRows })
    if (webhooks.length === 0) break
    await queues.enqueueWebhooks(webhooks)
    await markEnqueued(
      db,
      webhooks.map(({ id }) => id),
    )
    offered += webhooks.length
  }
  return offered
}

/** Enqueues what is stored for a connection that goes on, at once. What the queue does not take is found by the sweep. */
export async function offerWebhooksOf(
  db: Kysely<Database>,
  queues: Pick<JobQueues, 'enqueueWebhooks'>,
  connectionId: string,
): Promise<void> {
  for (let batch = 0; batch < maxBatches; batch += 1) {
    const ids = await findWaitingWebhooks(db, connectionId, batchRows)
    if (ids.length === 0) return
    await queues.enqueueWebhooks(ids.map((id) => ({ id, connectionId })))
    await markEnqueued(db, ids)
  }
}
