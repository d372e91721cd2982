/** What follows from a failure. Every kind gives every fact, so a new kind does not compile until it is placed. */
export type FailureFacts = {
  /** Try again with back-off, wait without using up an attempt, or keep for a person at once. */
  outcome: 'retry' | 'defer' | 'deadLetter'
  /** What our API answers where the failure ends a request. */
  httpStatus: number
  logLevel: 'info' | 'warn' | 'error'
  /** What the failure proves about the remote system. */
  remote: 'up' | 'down' | 'unknown'
  /** Whether a write that failed like this may have changed something at the remote system. */
  effect: 'none' | 'maybe'
  /** Where the reason lies: in this one call, in its connection, at the remote system, or with us. */
  blames: 'call' | 'connection' | 'remote' | 'us'
}

/** The closed set of failures. An error gets its kind once, where it happened; everything that follows is read from here. */
// biome-ignore format: one row a kind, to be read as a table.
export const failureKinds = {
  rate_limited:         { outcome: 'defer',      httpStatus: 503, logLevel: 'info',  remote: 'up',      effect: 'none',  blames: 'remote' },
  breaker_open:         { outcome: 'defer',      httpStatus: 503, logLevel: 'info',  remote: 'unknown', effect: 'none',  blames: 'remote' },
  token_renewing:       { outcome: 'defer',      httpStatus: 503, logLevel: 'info',  remote: 'unknown', effect: 'none',  blames: 'remote' },
  shutting_down:        { outcome: 'defer',      httpStatus: 503, logLevel: 'info',  remote: 'unknown', effect: 'maybe', blames: 'us' },
  connection_waiting:   { outcome: 'defer',      httpStatus: 409, logLevel: 'info',  remote: 'unknown', effect: 'none',  blames: 'connection' },
  network:              { outcome: 'retry',      httpStatus: 503, logLevel: 'warn',  remote: 'down',    effect: 'maybe', blames: 'remote' },
  timeout:              { outcome: 'retry',      httpStatus: 503, logLevel: 'warn',  remote: 'down',    effect: 'maybe', blames: 'remote' },
  hostaway_unavailable: { outcome: 'retry',      httpStatus: 503, logLevel: 'warn',  remote: 'down',    effect: 'maybe', blames: 'remote' },
  // Something in front of the remote system answered in its place: it proves nothing about what was asked.
  intercepted:          { outcome: 'retry',      httpStatus: 503, logLevel: 'warn',  remote: 'down',    effect: 'maybe', blames: 'remote' },
  malformed_response:   { outcome: 'retry',      httpStatus: 502, logLevel: 'warn',  remote: 'down',    effect: 'maybe', blames: 'remote' },
  database_unavailable: { outcome: 'retry',      httpStatus: 503, logLevel: 'warn',  remote: 'unknown', effect: 'maybe', blames: 'us' },
  contention:           { outcome: 'retry',      httpStatus: 503, logLevel: 'warn',  remote: 'unknown', effect: 'maybe', blames: 'us' },
  queue_unavailable:    { outcome: 'retry',      httpStatus: 503, logLevel: 'warn',  remote: 'unknown', effect: 'maybe', blames: 'us' },
  credentials_rejected: { outcome: 'deadLetter', httpStatus: 422, logLevel: 'error', remote: 'up',      effect: 'none',  blames: 'connection' },
  forbidden:            { outcome: 'deadLetter', httpStatus: 502, logLevel: 'error', remote: 'up',      effect: 'none',  blames: 'connection' },
  not_found:            { outcome: 'deadLetter', httpStatus: 404, logLevel: 'warn',  remote: 'up',      effect: 'none',  blames: 'call' },
  conflict:             { outcome: 'deadLetter', httpStatus: 409, logLevel: 'warn',  remote: 'up',      effect: 'none',  blames: 'call' },
  business_rule:        { outcome: 'deadLetter', httpStatus: 422, logLevel: 'warn',  remote: 'up',      effect: 'none',  blames: 'call' },
  rejected:             { outcome: 'deadLetter', httpStatus: 422, logLevel: 'warn',  remote: 'up',      effect: 'none',  blames: 'call' },
  invalid_payload:      { outcome: 'deadLetter', httpStatus: 422, logLevel: 'warn',  remote: 'unknown', effect: 'none',  blames: 'call' },
  sealed_unreadable:    { outcome: 'deadLetter', httpStatus: 500, logLevel: 'error', remote: 'unknown', effect: 'none',  blames: 'connection' },
  stalled:              { outcome: 'deadLetter', httpStatus: 500, logLevel: 'error', remote: 'unknown', effect: 'maybe', blames: 'us' },
  unexpected:           { outcome: 'deadLetter', httpStatus: 500, logLevel: 'error', remote: 'unknown', effect: 'maybe', blames: 'us' },
} as const satisfies Record<string, FailureFacts>

export type FailureKind = keyof typeof failureKinds

type AppErrorOptions = { cause?: unknown; retryAt?: Date; status?: number }

/**
 * A classified failure. `message` is for people and must never carry a secret or a response body;
 * `retryAt` is the moment from which a retry makes sense; `status` is the HTTP status the channel answered, if any.
 */
export class AppError extends Error {
  readonly kind: FailureKind
  readonly retryAt: Date | undefined
  readonly status: number | undefined

  constructor(kind: FailureKind, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.kind = kind
    this.retryAt = options.retryAt
    this.status = options.status
  }
}

/** Every fact about a failure's kind. */
export function factsOf({ kind }: Pick<AppError, 'kind'>): FailureFacts {
  return failureKinds[kind]
}

/** Whether the remote system read a call and refused what it asks. One that does not know the subject refused nothing. */
export function isRefusal(failure: AppError): boolean {
  const { remote, blames } = factsOf(failure)
  return remote === 'up' && blames === 'call' && failure.kind !== 'not_found'
}

/** Whether the remote system cannot be asked now, rather than what it answers. */
export function isRemoteAway(failure: AppError): boolean {
  const { remote, outcome, blames } = factsOf(failure)
  return remote === 'down' || (outcome === 'defer' && blames !== 'connection')
}

// A gateway gave up waiting; the system behind it may still be at work.
const gatewayGaveUp = new Set([408, 502, 504])

/** Whether a failed write may still change something after it failed: no answer came from the system itself. */
export function mayStillLand(failure: AppError): boolean {
  const { status } = failure
  return factsOf(failure).effect === 'maybe' && (status === undefined || gatewayGaveUp.has(status))
}

// Codes that say "the database is away or busy", not "the statement is wrong".
const databaseAwayCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  '25006',
])

// Classes: connection, insufficient resources, operator intervention, system error.
const databaseAwayClasses = new Set(['08', '53', '57', '58'])

// What node-postgres and Kysely say without a code, while a connection breaks or the process ends.
const driverMessages =
  /Connection terminated|timeout expired|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Query read timeout|after calling end on the pool|driver has already been destroyed/

// Codes of a statement that other work stood in the way of: a deadlock, a lock or a statement that took too long, a
// transaction ended as idle, a row that another process was faster to write or to delete.
const contentionCodes = new Set(['40001', '40P01', '55P03', '57014', '25P03', '23503', '23505'])

// SQLSTATE codes of a value that no column takes: NUL in a text, a number or a day out of range.
const refusedValueCodes = new Set(['22003', '22007', '22008', '22021', '22P05'])

/** Turns whatever was caught into an AppError; an AppError passes through unchanged. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const code = errorCode(error)
  const message = error instanceof Error ? error.message : String(error)
  if (code !== undefined && contentionCodes.has(code)) {
    return new AppError('contention', 'Other work stood in the way in the database', { cause: error })
  }
  if (isDatabaseAway(code, message)) {
    return new AppError('database_unavailable', 'The database did not answer in time', { cause: error })
  }
  if (code !== undefined && refusedValueCodes.has(code)) {
    return new AppError(
      'invalid_payload',
      'A value cannot be stored or compared: NUL in a text, or out of range',
      {
        cause: error,
      },
    )
  }
  return new AppError('unexpected', message, { cause: error })
}

function isDatabaseAway(code: string | undefined, message: string): boolean {
  if (code !== undefined) return databaseAwayCodes.has(code) || isAwayClass(code)
  return driverMessages.test(message)
}

function isAwayClass(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code) && databaseAwayClasses.has(code.slice(0, 2))
}

function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
