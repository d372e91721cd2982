import { DelayedError, type Worker } from 'bullmq'
import { withTimeout } from '../timeout.ts'

export type RunningJob = { id: string; name: string; data: unknown; attempt: number }

/** The runner's verdict about a job: finished, deferred without using an attempt, or retried after `delayMs`. */
export type JobVerdict =
  | { after: 'done' }
  | { after: 'later'; at: Date }
  | { after: 'retry'; delayMs: number }

export type WorkerOptions = {
  concurrency: number
  run: (job: RunningJob) => Promise<JobVerdict>
  /** A job whose process died under it more often than is tolerable. */
  onStalledOut: (job: RunningJob) => void
}

export type WorkerHandle = {
  /** Waits until the jobs under way are done. */
  close(): Promise<void>
  /** Cuts its connections after at most `withinMs`, whatever they are busy with; a job under way is begun again elsewhere. */
  abandon(withinMs: number): Promise<void>
}

// What BullMQ's two backends have in common, as far as it is used here; their own types differ.
export type AnyWorker = Pick<Worker, 'on' | 'pause' | 'close'>

/** How soon the jobs of a killed worker start again: after at most `lockMs` + `stalledCheckMs`. */
export type QueueTimes = {
  /** How long a worker holds a job without a sign of life; it gives one at half of that. */
  lockMs: number
  /** How often each worker looks for jobs whose lock has run out. */
  stalledCheckMs: number
}

const defaultQueueTimes: QueueTimes = { lockMs: 8_000, stalledCheckMs: 2_000 }
const stallsTolerated = 3
// BullMQ's words for a job whose worker vanished more often than is tolerated; it has no class for it.
const stalledOut = 'stalled more than allowable limit'
const abandonWithinMs = 2_000
const drainWithinMs = 18_000

type BullJob = {
  id?: string | undefined
  name: string
  data: unknown
  attemptsMade: number
  moveToDelayed(timestamp: number, token?: string): Promise<void>
}

// BullMQ learns of a retry by an exception; the delay travels on it to the back-off strategy.
class RetryError extends Error {
  readonly delayMs: number

  constructor(delayMs: number) {
    super('attempt failed')
    this.delayMs = delayMs
  }
}

/** What BullMQ runs for each job: the runner's verdict in BullMQ's own terms. */
export function processorOf(worker: WorkerOptions) {
  return async (job: BullJob, token?: string): Promise<void> => {
    const verdict = await worker.run(toRunningJob(job))
    if (verdict.after === 'later') {
      await job.moveToDelayed(verdict.at.getTime(), token)
      throw new DelayedError()
    }
    if (verdict.after === 'retry') throw new RetryError(verdict.delayMs)
  }
}

/** The settings of every worker, on either backend. */
export function workerSettings(worker: WorkerOptions, times: QueueTimes = defaultQueueTimes) {
  return {
    concurrency: worker.concurrency,
    lockDuration: times.lockMs,
    stalledInterval: times.stalledCheckMs,
    maxStalledCount: stallsTolerated,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
    settings: {
      backoffStrategy: (_attemptsMade: number, _type?: string, error?: Error) =>
        error instanceof RetryError ? error.delayMs : 1_000,
    },
  }
}

/** A worker that was opened, with its errors and lost jobs reported; `disconnect` frees what BullMQ leaves open. */
export function workerHandle(
  opened: AnyWorker,
  worker: WorkerOptions,
  onError: (error: Error) => void,
  disconnect: () => Promise<void>,
): WorkerHandle {
  opened.on('error', onError)
  opened.on('failed', (job: BullJob | undefined, error: Error) => {
    // Anything else that fails here failed in the queue itself, which tries the job again.
    if (!error.message.includes(stalledOut)) return
    if (job !== undefined) worker.onStalledOut(toRunningJob(job))
  })
  async function abandon(withinMs: number): Promise<void> {
    await withTimeout(withinMs, opened.close(true).catch(onError), () => undefined)
    await disconnect()
  }

  return {
    async close() {
      // Closing waits for the jobs under way and cannot be forced once it has begun; pausing waits for them as well.
      // Jobs of a backend that is away never end.
      await withTimeout(drainWithinMs, opened.pause().catch(onError), () => undefined)
      await abandon(abandonWithinMs)
    },
    abandon,
  }
}

// attemptsMade counts the attempts before this one.
function toRunningJob(job: BullJob): RunningJob {
  return { id: job.id ?? '', name: job.name, data: job.data, attempt: job.attemptsMade + 1 }
}
