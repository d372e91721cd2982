import { type Logger, pino, stdTimeFunctions } from 'pino'

export type { Logger }

// Names under which a secret could reach a log line; pino has no "at any depth", so two levels are named.
const secretNames = [
  'authorization',
  'cookie',
  'apiKey',
  'token',
  'accessToken',
  'password',
  'login',
  'secret',
  'webhookSecret',
  'clientSecret',
  'client_secret',
  'body',
  'headers',
  // An error of Redis repeats the command that failed; the one that logs in carries the password.
  'args',
]

/** One JSON line per event; readable when stdout is a terminal. Values under the names of secrets are never written. */
export function createLogger(options: {
  level: string
  role: string
  destination?: NodeJS.WritableStream
}): Logger {
  const settings = {
    level: options.level,
    base: { role: options.role, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    serializers: { err: (error: unknown) => describeError(error) },
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
      censor: '[redacted]',
    },
  }
  if (options.destination !== undefined) return pino(settings, options.destination)
  if (!process.stdout.isTTY) return pino(settings)
  return pino({
    ...settings,
    transport: { target: 'pino-pretty', options: { ignore: 'pid', translateTime: 'SYS:HH:MM:ss.l' } },
  })
}

type DescribedError = {
  type: string
  message: string
  stack?: string
  code?: string
  kind?: string
  cause?: DescribedError
}

const deepestCause = 3

// Only what is named here: drivers hang onto their errors what was sent, such as the AUTH command with its password,
// or the row that was refused.
function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) }
  const text = (name: 'code' | 'kind') => {
    const value: unknown = Reflect.get(error, name)
    return typeof value === 'string' ? { [name]: value } : {}
  }
  return {
    type: error.name,
    message: error.message,
    ...(error.stack === undefined ? {} : { stack: error.stack }),
    ...text('code'),
    ...text('kind'),
    ...(error.cause === undefined || depth >= deepestCause
      ? {}
      : { cause: describeError(error.cause, depth + 1) }),
  }
}
