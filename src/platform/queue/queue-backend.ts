import { setTimeout as pause } from 'node:timers/promises'
import { createPostgresBackend, Queue, type Telemetry, Worker, withBackend } from 'bullmq'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { QueueName } from '../telemetry/metrics.ts'
import { type AnyQueue, openOnce, type QueueHandle, type QueueOpener, queueHandle } from './queue-producer.ts'
import {
  type AnyWorker,
  processorOf,
  type QueueTimes,
  type WorkerHandle,
  type WorkerOptions,
  workerHandle,
  workerSettings,
} from './queue-worker.ts'

export type QueueBackendOptions = {
  /** With a Redis URL the queues live there, otherwise in a schema of the database. */
  redisUrl: string | undefined
  databaseUrl: string
  /** Redis key prefix, or part of the schema's name. */
  prefix: string
  telemetry: Telemetry | undefined
  times?: QueueTimes
  onError: (error: Error) => void
}

export type QueueBackend = {
  openQueue(name: QueueName): QueueHandle
  openWorker(name: QueueName, options: WorkerOptions): WorkerHandle
  ready(): boolean
  close(): Promise<void>
}

const redisConnectMs = 5_000
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
        ...workerSettings(worker, options.times),
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
    // The sweeps find jobs that a crashed server loses, here as on Redis, so no commit waits for the disk.
    options: '-c synchronous_commit=off',
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
          ...workerSettings(worker, options.times),
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
