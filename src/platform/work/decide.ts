import { type AppError, factsOf } from '../errors.ts'

/** How often work is tried, and how long it waits in between. */
export type RetryPolicy = {
  /** From this attempt on a failure is final; Infinity for work that must never end. */
  maxAttempts: number
  /** The longest pause after the first failure; it doubles with each further one. */
  baseMs: number
  maxDelayMs: number
  /** Work that was held up the same moment resumes spread over so long. */
  deferJitterMs: number
}

/** What is known of a failure beside its kind. */
export type Attempt = {
  /** Failures before this one. */
  attempts: number
  /** The remote system is away, so that the failure says nothing about the work. */
  isOutage?: boolean
  /** The work may not continue now, whatever failed. */
  isHeldUp?: boolean
}

export type Decision =
  | { outcome: 'retry'; afterMs: number; usesAttempt: boolean }
  | { outcome: 'defer'; until: Date }
  | { outcome: 'deadLetter' }

const deferMs = 5_000
/** During an outage, which uses up no attempt, work waits as if it had failed so often. */
const attemptsInOutage = 3

/**
 * The only place that decides what follows from a failure: another attempt after a pause, waiting without using up an
 * attempt, or a dead letter. Pure but for `random` and the clock.
 */
export function decide(
  failure: Pick<AppError, 'kind' | 'retryAt'>,
  { attempts, isOutage = false, isHeldUp = false }: Attempt,
  policy: RetryPolicy,
  random: () => number = Math.random,
): Decision {
  const { outcome } = factsOf(failure)
  if (outcome === 'defer' || isHeldUp) {
    const at = failure.retryAt?.getTime() ?? Date.now() + deferMs
    return { outcome: 'defer', until: new Date(Math.max(at, Date.now()) + random() * policy.deferJitterMs) }
  }
  const made = attempts + 1
  if (outcome === 'deadLetter' || (!isOutage && made >= policy.maxAttempts)) return { outcome: 'deadLetter' }
  const afterMs = backoffMs(isOutage ? attemptsInOutage : made, policy, random)
  return { outcome: 'retry', afterMs, usesAttempt: !isOutage }
}

/** Full jitter: anything up to the exponential step, so that work that failed together does not resume together. */
export function backoffMs(
  attempt: number,
  { baseMs, maxDelayMs }: Pick<RetryPolicy, 'baseMs' | 'maxDelayMs'>,
  random: () => number = Math.random,
): number {
  return Math.round(random() * Math.min(maxDelayMs, baseMs * 2 ** (attempt - 1)))
}
