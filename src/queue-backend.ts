import { setTimeout as pause } from 'node:timers/promises'
import { createPostgresBackend, DelayedError, Queue, type Telemetry, Worker, withBackend } from 'bullmq'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { QueueName } from './telemetry/metrics.ts'

export type QueueBackendOptions = {
  /** With a Redis URL the queues live there, otherwise in a schema of the database. */
  redisUrl: string | undefined
  databaseUrl: string
  /** Redis key prefix, or part of the schema's name. */
  prefix: string
  telemetry: Telemetry | undefined
  onError: (error: Error) => void
}

export type NewJob = { name: string; data: Record<string, string>; jobId: string }
export type RunningJob = { id: string; name: string; data: unknown; attempt: number }

/** What the runner says about a job: finished, come back without having used an attempt, or try again after `delayMs`. */
export type JobVerdict =
  | { after: 'done' }
  | { after: 'later'; at: Date }
  | { after: 'retry'; delayMs: number }

export type QueueHandle = {
  /** Adds jobs in one round trip; a job whose id is still known is left as it is. Rejects at once while the backend is away. */
  addBulk(jobs: NewJob[]): Promise<void>
  /** Jobs that a worker could begin now. */
  dueJobs(): Promise<number>
}

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

export type QueueBackend = {
  openQueue(name: QueueName): QueueHandle
  openWorker(name: QueueName, options: WorkerOptions): WorkerHandle
  ready(): boolean
  close(): Promise<void>
}

// What BullMQ's two backends have in common, as far as it is used here; their own types differ.
type AnyQueue = Pick<Queue, 'addBulk' | 'getJobCounts' | 'waitUntilReady' | 'close' | 'on'>
type AnyWorker = Pick<Worker, 'on' | 'close'>

// A killed worker's jobs start again after at most lockMs + stalledCheckMs.
const lockMs = 15_000
const stalledCheckMs = 5_000
const stallsTolerated = 3
const redisConnectMs = 5_000
const moreAttemptsThanEver = 1_000_000
// BullMQ's words for a job whose worker vanished more often than is tolerated; it has no class for it.
const stalledOut = 'stalled more than allowable limit'
const drainWithinMs = 18_000
const closeQueueWithinMs = 3_000
const probeTimeoutMs = 3_000
const probeEveryMs = 500

/** The one place that chooses between Redis and PostgreSQL for the queues. */
export function openQueueBackend(options: QueueBackendOptions): QueueBackend {
  return options.redisUrl === undefined
    ? openPostgresBackend(options)
    : openRedisBackend(options, options.redisUrl)
}

function openRedisBackend(options: QueueBackendOptions, url: string): QueueBackend {
  // BullMQ waits for a connection that was never ready; so a queue is only built once there is one.
  const producer = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    connectTimeout: redisConnectMs,
    retryStrategy: (times) => Math.min(times * 100, 2_000),
  })
  producer.on('error', options.onError)
  const queues: QueueOpener[] = []
  const prefix = `{${options.prefix}}`
  const telemetry = options.telemetry === undefined ? {} : { telemetry: options.telemetry }
  return {
    openQueue(name) {
      const opener = openOnce(() => {
        if (producer.status !== 'ready') throw new Error('Redis cannot be reached')
        return new Queue(name, { connection: producer, prefix, ...telemetry })
      }, options.onError)
      queues.push(opener)
      return queueHandle(opener)
    },
    openWorker(name, worker) {
      const connection = new Redis(url, {
        maxRetriesPerRequest: null,
        connectTimeout: redisConnectMs,
        retryStrategy: (times) => Math.min(times * 100, 2_000),
      })
      connection.on('error', options.onError)
      const opened = new Worker(name, processorOf(worker), {
        connection,
        prefix,
        ...telemetry,
        ...workerSettings(worker),
      })
      return workerHandle(opened, worker, options.onError, async () => connection.disconnect())
    },
    ready: () => producer.status === 'ready',
    async close() {
      for (const queue of queues) await queue.close()
      producer.disconnect()
    },
  }
}

function openPostgresBackend(options: QueueBackendOptions): QueueBackend {
  const classes = withBackend(createPostgresBackend)
  const connection = {
    connectionString: options.databaseUrl,
    schema: `${options.prefix}_queue`,
    migrate: true,
    application_name: 'hostaway-queue',
    Client: EnduringClient,
  }
  const telemetry = options.telemetry === undefined ? {} : { telemetry: options.telemetry }
  const queues: QueueOpener[] = []
  return {
    openQueue(name) {
      const opener = openOnce(() => {
        const queue = new classes.Queue(name, { connection: { ...connection, max: 2 }, ...telemetry })
        return queue as unknown as AnyQueue
      }, options.onError)
      queues.push(opener)
      return queueHandle(opener)
    },
    openWorker: (name, worker) =>
      workerOnceReachable(options, () => {
        const opened = new classes.Worker(name, processorOf(worker), {
          connection: { ...connection, max: Math.min(worker.concurrency, 8) + 2 },
          ...telemetry,
          ...workerSettings(worker),
        })
        return workerHandle(opened as unknown as AnyWorker, worker, options.onError, async () => undefined)
      }),
    ready: () => true,
    async close() {
      for (const queue of queues) await queue.close()
    },
  }
}

// BullMQ does not listen to a connection that it has taken out of its pool, for its migrations for example: one that
// breaks then would take the whole process down. The statement under way fails anyway.
class EnduringClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config)
    this.on('error', () => {})
  }
}

// A worker whose first connection fails asks again without a pause, which starves the whole process; so the database
// is reached before there is a worker. Once it has been, BullMQ waits properly.
function workerOnceReachable(
  { databaseUrl, onError }: QueueBackendOptions,
  open: () => WorkerHandle,
): WorkerHandle {
  const stopped = new AbortController()
  const opening = (async () => {
    while (!stopped.signal.aborted) {
      const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: probeTimeoutMs })
      client.on('error', onError)
      try {
        await client.connect()
        await client.end()
        return stopped.signal.aborted ? undefined : open()
      } catch (error) {
        onError(error instanceof Error ? error : new Error(String(error)))
        await pause(probeEveryMs, undefined, { signal: stopped.signal }).catch(() => undefined)
      }
    }
    return undefined
  })()
  return {
    async close() {
      stopped.abort()
      await (await opening)?.close()
    },
    async abandon(withinMs) {
      stopped.abort()
      await (await opening)?.abandon(withinMs)
    },
  }
}

type QueueOpener = { opened(): Promise<AnyQueue>; close(): Promise<void> }

// BullMQ remembers for ever that a queue failed to become ready; one that did is thrown away and built anew.
function openOnce(open: () => AnyQueue, onError: (error: Error) => void): QueueOpener {
  let opening: Promise<AnyQueue> | undefined

  async function start(): Promise<AnyQueue> {
    const queue = open()
    queue.on('error', onError)
    try {
      await queue.waitUntilReady()
      return queue
    } catch (error) {
      await queue.close().catch(onError)
      throw error
    }
  }

  return {
    opened() {
      opening ??= start().catch((error: unknown) => {
        opening = undefined
        throw error
      })
      return opening
    },
    async close() {
      await within(
        closeQueueWithinMs,
        (async () => (await opening?.catch(() => undefined))?.close().catch(onError))(),
      )
    },
  }
}

function queueHandle(queue: QueueOpener): QueueHandle {
  return {
    async addBulk(jobs) {
      if (jobs.length === 0) return
      await (await queue.opened()).addBulk(
        jobs.map(({ name, data, jobId }) => ({
          name,
          data,
          // A kept job with the same id would turn a replay into a silent no-op, so nothing is kept.
          // The runner counts the attempts; BullMQ must never come to its own end of them.
          opts: {
            jobId,
            attempts: moreAttemptsThanEver,
            backoff: { type: 'custom' },
            removeOnComplete: true,
            removeOnFail: true,
          },
        })),
      )
    },
    async dueJobs() {
      const counts = await (await queue.opened()).getJobCounts('waiting', 'prioritized')
      return Object.values(counts).reduce((sum, count) => sum + count, 0)
    },
  }
}

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

function processorOf(worker: WorkerOptions) {
  return async (job: BullJob, token?: string): Promise<void> => {
    const verdict = await worker.run(toRunningJob(job))
    if (verdict.after === 'later') {
      await job.moveToDelayed(verdict.at.getTime(), token)
      throw new DelayedError()
    }
    if (verdict.after === 'retry') throw new RetryError(verdict.delayMs)
  }
}

function workerSettings(worker: WorkerOptions) {
  return {
    concurrency: worker.concurrency,
    lockDuration: lockMs,
    stalledInterval: stalledCheckMs,
    maxStalledCount: stallsTolerated,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
    settings: {
      backoffStrategy: (_attemptsMade: number, _type?: string, error?: Error) =>
        error instanceof RetryError ? error.delayMs : 1_000,
    },
  }
}

function workerHandle(
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
  return {
    async close() {
      // A backend that is away does not let go of its worker.
      await within(drainWithinMs, opened.close().catch(onError))
      await disconnect()
    },
    async abandon(withinMs) {
      await within(withinMs, opened.close(true).catch(onError))
      await disconnect()
    },
  }
}

async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  await Promise.race([work, pause(milliseconds, undefined, { ref: false })])
}

// attemptsMade counts the attempts before this one.
function toRunningJob(job: BullJob): RunningJob {
  return { id: job.id ?? '', name: job.name, data: job.data, attempt: job.attemptsMade + 1 }
}
