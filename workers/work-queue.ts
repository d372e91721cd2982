import type { Config } from '../src/platform/config/config.ts'
import { AppError } from '../src/platform/errors.ts'
import type { Job } from '../src/platform/module.ts'
import { openQueueBackend, type QueueBackendOptions } from '../src/platform/queue/queue-backend.ts'
import type { JobVerdict, RunningJob } from '../src/platform/queue/queue-worker.ts'
import type { Logger } from '../src/platform/telemetry/logger.ts'
import type { QueueName } from '../src/platform/telemetry/metrics.ts'
import { createBatchRunner } from './run-batch.ts'
import { createRunner } from './run-job.ts'

export type QueueWorkDeps = {
  config: Pick<Config, 'WORKER_CONCURRENCY' | 'HOSTAWAY_MAX_RETRIES' | 'HOSTAWAY_RETRY_DELAY_MS'>
  log: Logger
  queueBackend: QueueBackendOptions
}

export type QueueWork = {
  /** Replaces the worker by a new one with connections of its own, within seconds. */
  rebuild(): Promise<void>
  /** Waits until the jobs under way are done. */
  close(): Promise<void>
}

const abandonWithinMs = 5_000

/** Works on the jobs of one queue until it is closed; each job by the definition of its name. */
export function workOnQueue(
  { config, log, queueBackend }: QueueWorkDeps,
  queue: QueueName,
  jobs: Job[],
  onProgress: () => void,
): QueueWork {
  const concurrency = config.WORKER_CONCURRENCY
  const runners = new Map<string, (job: RunningJob) => Promise<JobVerdict>>()
  for (const job of jobs) {
    const runOne = createRunner(job, {
      maxAttempts: config.HOSTAWAY_MAX_RETRIES,
      retryDelayMs: config.HOSTAWAY_RETRY_DELAY_MS,
      log,
      onProgress,
    })
    const run = createBatchRunner({ job, runOne, concurrency, log })
    runners.set(job.name, run)
    if (job.batch !== undefined) runners.set(job.batch.name, run)
  }

  async function run(job: RunningJob): Promise<JobVerdict> {
    const runner = runners.get(job.name)
    if (runner !== undefined) return runner(job)
    log.error({ queue, job: job.name, jobId: job.id }, 'job.unreadable')
    return { after: 'done' }
  }

  function onStalledOut(stalled: RunningJob): void {
    log.error({ queue, job: stalled.name, jobId: stalled.id }, 'job.stalled_out')
    const job = jobs.find(({ name, batch }) => stalled.name === name || stalled.name === batch?.name)
    // The sweep offers the job again if this fails.
    endStalled(job, stalled).catch((error: unknown) =>
      log.error({ err: error, queue, job: stalled.name, jobId: stalled.id }, 'job.dead_letter_not_stored'),
    )
  }

  const backend = openQueueBackend(queueBackend)
  const open = () => backend.openWorker(queue, { concurrency, run, onStalledOut })
  let worker = open()
  let closing = false
  return {
    async rebuild() {
      if (closing) return
      const stuck = worker
      worker = open()
      await stuck.abandon(abandonWithinMs)
    },
    async close() {
      closing = true
      await worker.close()
      await backend.close()
    },
  }
}

async function endStalled(job: Job | undefined, stalled: RunningJob): Promise<void> {
  const payloads = stalled.name === job?.batch?.name ? job.batch?.parse(stalled.data) : undefined
  if (payloads !== undefined) {
    // One of them may be what the process dies of: alone, it is found out.
    const again = payloads.map((payload) => ({ payload, delayMs: 0, attemptsBefore: 0 }))
    await job?.batch?.requeue(stalled.data, again)
    return
  }
  const payload = job?.parse(stalled.data)
  if (payload === undefined) return
  const error = new AppError('stalled', 'The process died under this job again and again')
  await job?.deadLetter({ job: stalled.name, payload, error, attempts: stalled.attempt })
}
