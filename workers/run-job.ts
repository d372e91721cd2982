import { type AppError, factsOf, toAppError } from '../src/platform/errors.ts'
import type { JobVerdict, RunningJob } from '../src/platform/queue/queue-worker.ts'
import type { Logger } from '../src/platform/telemetry/logger.ts'
import type { QueueName } from '../src/platform/telemetry/metrics.ts'
import { currentTraceId } from '../src/platform/telemetry/tracing.ts'

/** What a queue's jobs are and how one is worked on. */
export type JobDefinition<Payload extends Record<string, string>> = {
  queue: QueueName
  /** Reads the payload; undefined where it is none. */
  parse: (data: unknown) => Payload | undefined
  /** Does the work, safely repeatable; what it resolves to is logged. */
  run: (payload: Payload) => Promise<string>
  /** Keeps the job as a dead letter, in one transaction with whatever else marks its subject as failed. */
  deadLetter: (failure: FailedJob<Payload>) => Promise<void>
}

export type FailedJob<Payload> = {
  job: string
  payload: Payload
  error: AppError
  attempts: number
  traceId: string | undefined
}

export type RunnerOptions = {
  maxAttempts: number
  retryDelayMs: number
  log: Logger
  /** Called after every job, whatever its outcome. */
  onProgress: () => void
}

const maxRetryDelayMs = 32_000
const deferMs = 5_000
// Spreads jobs that were deferred to the same moment.
const deferJitterMs = 500

/** The only place that decides between done, retry, come back later and dead letter. */
export function createRunner<Payload extends Record<string, string>>(
  definition: JobDefinition<Payload>,
  options: RunnerOptions,
): (job: RunningJob) => Promise<JobVerdict> {
  return async (job) => {
    const startedAt = performance.now()
    const payload = definition.parse(job.data)
    if (payload === undefined) {
      options.log.error({ queue: definition.queue, job: job.name, jobId: job.id }, 'job.unreadable')
      return { after: 'done' }
    }
    const line: Record<string, unknown> = {
      queue: definition.queue,
      job: job.name,
      ...payload,
      attempt: job.attempt,
      maxAttempts: options.maxAttempts,
    }
    try {
      const outcome = await definition.run(payload)
      options.log.info({ ...line, outcome, ms: elapsed(startedAt) }, 'job.done')
      return { after: 'done' }
    } catch (caught) {
      const error = toAppError(caught)
      const verdict = await decide(definition, options, job, payload, error)
      const { logLevel } = factsOf(error)
      const details = verdict.after === 'done' ? { err: error } : { reason: error.message }
      options.log[logLevel](
        { ...line, kind: error.kind, ...details, verdict: describe(verdict), ms: elapsed(startedAt) },
        verdict.after === 'done' ? 'job.dead_letter' : 'job.not_done',
      )
      return verdict
    } finally {
      options.onProgress()
    }
  }
}

async function decide<Payload extends Record<string, string>>(
  definition: JobDefinition<Payload>,
  options: RunnerOptions,
  job: RunningJob,
  payload: Payload,
  error: AppError,
): Promise<JobVerdict> {
  const { outcome } = factsOf(error)
  if (outcome === 'defer') {
    const at = error.retryAt?.getTime() ?? Date.now() + deferMs
    return { after: 'later', at: new Date(Math.max(at, Date.now()) + Math.random() * deferJitterMs) }
  }
  if (outcome === 'retry' && job.attempt < options.maxAttempts) {
    return { after: 'retry', delayMs: backoffMs(job.attempt, options.retryDelayMs) }
  }
  try {
    await definition.deadLetter({
      job: job.name,
      payload,
      error,
      attempts: job.attempt,
      traceId: currentTraceId(),
    })
    return { after: 'done' }
  } catch (cause) {
    // A job may only leave the queue once its dead letter is stored.
    const line: Record<string, unknown> = { err: cause, queue: definition.queue, ...payload }
    options.log.error(line, 'job.dead_letter_not_stored')
    return { after: 'later', at: new Date(Date.now() + deferMs) }
  }
}

/** Full jitter: anything up to the exponential step, so that jobs that failed together do not return together. */
export function backoffMs(attempt: number, baseMs: number, random = Math.random): number {
  return Math.round(random() * Math.min(maxRetryDelayMs, baseMs * 2 ** (attempt - 1)))
}

function describe(verdict: JobVerdict): string {
  if (verdict.after === 'retry') return `retry in ${verdict.delayMs} ms`
  if (verdict.after === 'later') return `come back at ${verdict.at.toISOString()}`
  return 'dead letter'
}

function elapsed(startedAt: number): number {
  return Math.round(performance.now() - startedAt)
}
