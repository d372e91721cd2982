import { type AppError, factsOf, toAppError } from '../src/platform/errors.ts'
import type { Job } from '../src/platform/module.ts'
import type { JobVerdict, RunningJob } from '../src/platform/queue/queue-worker.ts'
import type { Logger } from '../src/platform/telemetry/logger.ts'
import { decide } from '../src/platform/work/decide.ts'

export type RunnerOptions = {
  maxAttempts: number
  retryDelayMs: number
  log: Logger
  /** Called after every job, whatever its outcome. */
  onProgress: () => void
}

const maxDelayMs = 32_000
// Spreads jobs that were deferred to the same moment.
const deferJitterMs = 500
const storeAgainMs = 5_000

/** Runs jobs of a definition and says what follows; the decision about a failure is `decide`'s. */
export function createRunner<Payload extends Record<string, string>>(
  definition: Job<Payload>,
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
      const verdict = await verdictOn(definition, options, job, payload, error)
      const isDeadLetter = verdict.after === 'done'
      const details = isDeadLetter ? { err: error } : { reason: error.message }
      options.log[isDeadLetter ? 'error' : factsOf(error).logLevel](
        { ...line, kind: error.kind, ...details, verdict: describe(verdict), ms: elapsed(startedAt) },
        isDeadLetter ? 'job.dead_letter' : 'job.not_done',
      )
      return verdict
    } finally {
      options.onProgress()
    }
  }
}

async function verdictOn<Payload extends Record<string, string>>(
  definition: Job<Payload>,
  { maxAttempts, retryDelayMs, log }: RunnerOptions,
  job: RunningJob,
  payload: Payload,
  error: AppError,
): Promise<JobVerdict> {
  const policy = { maxAttempts, baseMs: retryDelayMs, maxDelayMs, deferJitterMs }
  const decision = decide(error, { attempts: job.attempt - 1 }, policy)
  if (decision.outcome === 'defer') return { after: 'later', at: decision.until }
  if (decision.outcome === 'retry') return { after: 'retry', delayMs: decision.afterMs }
  try {
    await definition.deadLetter({ job: job.name, payload, error, attempts: job.attempt })
    return { after: 'done' }
  } catch (cause) {
    // A job may only leave the queue once its dead letter is stored.
    const line: Record<string, unknown> = { err: cause, queue: definition.queue, ...payload }
    log.error(line, 'job.dead_letter_not_stored')
    return { after: 'later', at: new Date(Date.now() + storeAgainMs) }
  }
}

function describe(verdict: JobVerdict): string {
  if (verdict.after === 'retry') return `retry in ${verdict.delayMs} ms`
  if (verdict.after === 'later') return `deferred until ${verdict.at.toISOString()}`
  return 'dead letter'
}

function elapsed(startedAt: number): number {
  return Math.round(performance.now() - startedAt)
}
