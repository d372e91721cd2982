/** What may happen to a job after a failure: try again with back-off, come back without using up an attempt, or set it aside. */
export type RetryRule = 'backoff' | 'later' | 'never'

type KindRule = { retry: RetryRule; httpStatus: number; logLevel: 'info' | 'warn' | 'error' }

/** The closed set of failures. An error gets its kind once, at the boundary where it happened; this table is the only place that says what follows from it. */
export const failureKinds = {
  rate_limited: { retry: 'later', httpStatus: 503, logLevel: 'info' },
  breaker_open: { retry: 'later', httpStatus: 503, logLevel: 'info' },
  token_renewing: { retry: 'later', httpStatus: 503, logLevel: 'info' },
  shutting_down: { retry: 'later', httpStatus: 503, logLevel: 'info' },
  connection_waiting: { retry: 'later', httpStatus: 409, logLevel: 'info' },
  network: { retry: 'backoff', httpStatus: 503, logLevel: 'warn' },
  timeout: { retry: 'backoff', httpStatus: 503, logLevel: 'warn' },
  hostaway_unavailable: { retry: 'backoff', httpStatus: 503, logLevel: 'warn' },
  malformed_response: { retry: 'backoff', httpStatus: 502, logLevel: 'warn' },
  database_unavailable: { retry: 'backoff', httpStatus: 503, logLevel: 'warn' },
  queue_unavailable: { retry: 'backoff', httpStatus: 503, logLevel: 'warn' },
  credentials_rejected: { retry: 'never', httpStatus: 422, logLevel: 'error' },
  forbidden: { retry: 'never', httpStatus: 502, logLevel: 'error' },
  not_found: { retry: 'never', httpStatus: 404, logLevel: 'warn' },
  rejected: { retry: 'never', httpStatus: 422, logLevel: 'warn' },
  redirected: { retry: 'never', httpStatus: 502, logLevel: 'error' },
  invalid_payload: { retry: 'never', httpStatus: 422, logLevel: 'warn' },
  sealed_unreadable: { retry: 'never', httpStatus: 500, logLevel: 'error' },
  stalled: { retry: 'never', httpStatus: 500, logLevel: 'error' },
  unexpected: { retry: 'backoff', httpStatus: 500, logLevel: 'error' },
} as const satisfies Record<string, KindRule>

export type FailureKind = keyof typeof failureKinds

type AppErrorOptions = { cause?: unknown; retryAt?: Date; status?: number }

/**
 * A classified failure. `message` is for people and must never carry a secret or a response body;
 * `retryAt` says when it makes sense to come back; `status` is the HTTP status Hostaway answered, if any.
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

// SQLSTATE classes and socket codes that say "the database is away or busy", not "the statement is wrong".
const databaseAwayCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  '57P01',
  '57P02',
  '57P03',
  '57014',
  '53300',
  '40001',
  '40P01',
  '55P03',
  '25006',
])

// SQLSTATE codes of a value that no column takes: NUL in a text, a number or a day out of range.
const refusedValueCodes = new Set(['22003', '22007', '22008', '22021', '22P05'])

/** Turns whatever was caught into an AppError; an AppError passes through unchanged. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const code = errorCode(error)
  const message = error instanceof Error ? error.message : String(error)
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
  if (code !== undefined) return databaseAwayCodes.has(code) || code.startsWith('08')
  // node-postgres gives these three no code.
  return /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Query read timeout/.test(
    message,
  )
}

function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
