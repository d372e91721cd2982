import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { JobQueues } from '../queues.ts'
import { findWebhooksToEnqueue, markEnqueued } from './webhook-log.ts'

export type SweepOptions = {
  /** A stored webhook without a job is enqueued after this long. */
  neverEnqueuedForMs: number
  /** A job that has not come to an end after this long is taken for lost. */
  enqueuedForMs: number
}

const batchRows = 500
const mostBatches = 40

/**
 * Enqueues stored webhooks that have no job: the process died before it could, or the queue lost them. Safe to run
 * anywhere at any time; returns how many were offered. Rejects when the queue is away, and nothing is marked then.
 */
export async function sweepWebhooks(
  db: Kysely<Database>,
  queues: Pick<JobQueues, 'enqueueWebhooks'>,
  options: SweepOptions,
): Promise<number> {
  let offered = 0
  for (let batch = 0; batch < mostBatches; batch += 1) {
    const ids = await findWebhooksToEnqueue(db, { ...options, limit: batchRows })
    if (ids.length === 0) break
    await queues.enqueueWebhooks(ids)
    await markEnqueued(db, ids)
    offered += ids.length
  }
  return offered
}
