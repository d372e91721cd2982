import pLimit from 'p-limit'
import type { Job, Requeued } from '../src/platform/module.ts'
import type { JobVerdict, RunningJob } from '../src/platform/queue/queue-worker.ts'
import type { Logger } from '../src/platform/telemetry/logger.ts'

export type BatchRunnerOptions = {
  job: Pick<Job, 'batch'>
  runOne: (job: RunningJob) => Promise<JobVerdict>
  /** How many payloads are worked on at a time, over all jobs. */
  concurrency: number
  log: Logger
}

const retryBatchMs = 1_000

/**
 * Runs jobs that hold one payload or many, each payload as if it had a job of its own: those that are not done get one.
 * Should that fail, the whole batch is retried, where the others have ended already.
 */
export function createBatchRunner(options: BatchRunnerOptions): (job: RunningJob) => Promise<JobVerdict> {
  const { batch } = options.job
  const limit = pLimit(options.concurrency)
  let batches = 0

  async function runBatch(job: RunningJob, payloads: Record<string, string>[]): Promise<JobVerdict> {
    const again: Requeued<Record<string, string>>[] = []
    const left = payloads.values()
    // The first batch shall not have all the places: a lone job would wait until every batch is through.
    const lanes = Math.ceil(options.concurrency / batches)
    const runLane = async () => {
      for (const payload of left) {
        const verdict = await limit(() => options.runOne({ ...job, data: payload, attempt: 1 }))
        if (verdict.after !== 'done') again.push({ payload, ...whenAgain(verdict) })
      }
    }
    await Promise.all(Array.from({ length: Math.min(lanes, payloads.length) }, runLane))
    if (again.length === 0) return { after: 'done' }
    try {
      await batch?.requeue(job.data, again)
      return { after: 'done' }
    } catch (error) {
      options.log.warn({ err: error, job: job.name, payloads: again.length }, 'job.requeue_failed')
      return { after: 'retry', delayMs: retryBatchMs }
    }
  }

  return async (job) => {
    const payloads = job.name === batch?.name ? batch.parse(job.data) : undefined
    if (payloads === undefined) {
      return limit(() => options.runOne({ ...job, attempt: job.attempt + attemptsBefore(job.data) }))
    }
    batches += 1
    try {
      return await runBatch(job, payloads)
    } finally {
      batches -= 1
    }
  }
}

function attemptsBefore(data: unknown): number {
  const given =
    typeof data === 'object' && data !== null && 'attemptsBefore' in data ? data.attemptsBefore : 0
  return typeof given === 'number' ? given : 0
}

function whenAgain(verdict: Exclude<JobVerdict, { after: 'done' }>) {
  return verdict.after === 'retry'
    ? { delayMs: verdict.delayMs, attemptsBefore: 1 }
    : { delayMs: Math.max(0, verdict.at.getTime() - Date.now()), attemptsBefore: 0 }
}
