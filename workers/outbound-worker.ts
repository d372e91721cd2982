import { pushBookings } from '../src/bookings/outgoing/push-bookings.ts'
import type { PushDeps } from '../src/calendar/push-context.ts'
import { syncConnection } from '../src/calendar/sync-connection.ts'
import type { Deps } from '../src/deps.ts'
import { type BookingPushJob, type OutboundJob, outboundQueue } from '../src/platform/queue/queues.ts'
import { openReplaceableWorker, type ReplaceableWorker } from './replaceable-worker.ts'
import { createRunner, type JobDefinition } from './run-job.ts'

/** Pushes to Hostaway what is desired of it. */
export function startOutboundWorker(deps: Deps, onProgress: () => void): ReplaceableWorker {
  const { config, log } = deps
  const pushing = { ...deps, ...pushDepsOf(deps) }
  const definition: JobDefinition<OutboundJob | BookingPushJob> = {
    queue: outboundQueue,
    parse: parseOutboundJob,
    run: (job) =>
      'bookingsOf' in job ? pushBookings(pushing, job.bookingsOf) : syncConnection(pushing, job.connectionId),
    // What waits, and its dead letters, are with the listings and bookings: the sweep begins another job.
    deadLetter: async () => undefined,
  }
  return openReplaceableWorker(deps.queueBackend, outboundQueue, {
    concurrency: config.WORKER_CONCURRENCY,
    run: createRunner(definition, {
      maxAttempts: config.HOSTAWAY_MAX_RETRIES,
      retryDelayMs: config.HOSTAWAY_RETRY_DELAY_MS,
      log,
      onProgress,
    }),
    onStalledOut: (job) => log.error({ jobId: job.id }, 'job.stalled_out'),
  })
}

/** What pushing needs beside the long-lived things of the process. */
export function pushDepsOf({
  config,
  outboundTimes,
}: Deps): Pick<PushDeps, 'times' | 'timeoutMs' | 'maxAttempts' | 'retryDelayMs'> {
  return {
    times: outboundTimes,
    timeoutMs: config.HOSTAWAY_API_TIMEOUT_MS,
    maxAttempts: config.HOSTAWAY_MAX_RETRIES,
    retryDelayMs: config.HOSTAWAY_RETRY_DELAY_MS,
  }
}

function parseOutboundJob(data: unknown): OutboundJob | BookingPushJob | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  if ('bookingsOf' in data && typeof data.bookingsOf === 'string') return { bookingsOf: data.bookingsOf }
  if ('connectionId' in data && typeof data.connectionId === 'string') {
    return { connectionId: data.connectionId }
  }
  return undefined
}
