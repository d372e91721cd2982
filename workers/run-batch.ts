import pLimit from 'p-limit'
import type { JobVerdict, RunningJob } from '../src/platform/queue/queue-worker.ts'
import type { InboundBatchJob, JobQueues, StoredWebhook, WebhookAgain } from '../src/platform/queue/queues.ts'
import type { Logger } from '../src/platform/telemetry/logger.ts'

export type BatchRunnerOptions = {
  runOne: (job: RunningJob) => Promise<JobVerdict>
  queues: Pick<JobQueues, 'enqueueWebhooksAgain'>
  /** How many webhooks are worked on at a time, over all jobs. */
  concurrency: number
  log: Logger
}

const retryBatchMs = 1_000

/**
 * Runs jobs that hold one webhook or many, each webhook as if it had a job of its own: those that were not done get
 * one. Should that fail, the whole batch comes back, in which the others have come to their end.
 */
export function createBatchRunner(options: BatchRunnerOptions): (job: RunningJob) => Promise<JobVerdict> {
  const limit = pLimit(options.concurrency)
  let batches = 0

  async function runBatch(
    job: RunningJob,
    { webhookIds, connectionId }: InboundBatchJob,
  ): Promise<JobVerdict> {
    const again: WebhookAgain[] = []
    const left = webhookIds.values()
    // The first batch must not take all the places: a lone webhook would wait until every batch is done.
    const lanes = Math.ceil(options.concurrency / batches)
    const runLane = async () => {
      for (const webhookId of left) {
        const verdict = await limit(() => options.runOne({ ...job, data: { webhookId }, attempt: 1 }))
        if (verdict.after !== 'done') again.push(toAgain({ id: webhookId, connectionId }, verdict))
      }
    }
    await Promise.all(Array.from({ length: Math.min(lanes, webhookIds.length) }, runLane))
    if (again.length === 0) return { after: 'done' }
    try {
      await options.queues.enqueueWebhooksAgain(again)
      return { after: 'done' }
    } catch (error) {
      options.log.warn({ err: error, webhooks: again.length }, 'webhook.enqueue_failed')
      return { after: 'retry', delayMs: retryBatchMs }
    }
  }

  return async (job) => {
    const batch = readBatch(job.data)
    if (batch === undefined) {
      return limit(() => options.runOne({ ...job, attempt: job.attempt + attemptsBefore(job.data) }))
    }
    batches += 1
    try {
      return await runBatch(job, batch)
    } finally {
      batches -= 1
    }
  }
}

/** The webhooks of a job that holds several; undefined where it is not such a job. */
export function readBatch(data: unknown): InboundBatchJob | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  if (!('webhookIds' in data && 'connectionId' in data)) return undefined
  const { webhookIds, connectionId } = data
  if (!Array.isArray(webhookIds) || typeof connectionId !== 'string') return undefined
  return { webhookIds: webhookIds.filter((id) => typeof id === 'string'), connectionId }
}

function attemptsBefore(data: unknown): number {
  const given =
    typeof data === 'object' && data !== null && 'attemptsBefore' in data ? data.attemptsBefore : 0
  return typeof given === 'number' ? given : 0
}

function toAgain(webhook: StoredWebhook, verdict: Exclude<JobVerdict, { after: 'done' }>): WebhookAgain {
  return verdict.after === 'retry'
    ? { ...webhook, delayMs: verdict.delayMs, attemptsBefore: 1 }
    : { ...webhook, delayMs: Math.max(0, verdict.at.getTime() - Date.now()), attemptsBefore: 0 }
}
