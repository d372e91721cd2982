import { EventEmitter } from 'node:events'
import { type Logger, pino, stdTimeFunctions } from 'pino'

import { requestScope } from './request-scope.ts'

export type { Logger }

// Names under which a secret could reach a log line.
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
const isSecret: ReadonlySet<string> = new Set(secretNames)
// Log lines of ours and of Fastify, whose top-level fields are safe to write.
const serialized: ReadonlySet<string> = new Set(['err', 'req', 'res'])
const censor = '[redacted]'
const deepest = 6

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
    mixin: () => {
      const requestId = requestScope.getStore()
      return requestId === undefined ? {} : { requestId }
    },
    serializers: { err: (error: unknown) => describeError(error) },
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (line: Record<string, unknown>) => hideInside(line, 1),
    },
    // Also covers the bindings of child loggers. Wildcard paths could redact deeper levels, but they copy each line
    // several times, which was most of the cost of a job's line.
    redact: { paths: secretNames, censor },
  }
  if (options.destination !== undefined) return pino(settings, options.destination)
  if (!process.stdout.isTTY) return pino(settings)
  return pino({
    ...settings,
    transport: { target: 'pino-pretty', options: { ignore: 'pid', translateTime: 'SYS:HH:MM:ss.l' } },
  })
}

const maxFlushMs = 2_000

/**
 * Resolves once every line has left the process, after two seconds at the latest; nothing may be logged afterwards. pino
 * writes in the background, and a process that exits while a write is under way loses its newest lines.
 */
export async function endLogging(log: Logger): Promise<void> {
  const destination: unknown = Reflect.get(log, pino.symbols.streamSym)
  if (!(destination instanceof EventEmitter) || !('end' in destination)) return
  const { end } = destination
  if (typeof end !== 'function') return
  await new Promise<void>((resolve) => {
    destination.once('close', resolve)
    setTimeout(resolve, maxFlushMs)
    end.call(destination)
  })
}

// Returns the same object when there is nothing to hide, which is nearly always.
function hideInside<Container extends object>(container: Container, depth: number): Container {
  let copy: Record<string, unknown> | undefined
  for (const [key, value] of Object.entries(container)) {
    if (depth === 1 && serialized.has(key)) continue
    const shown = isSecret.has(key) ? censor : showable(value, depth)
    if (shown === value) continue
    copy ??= Object.assign(Array.isArray(container) ? [] : {}, container) as Record<string, unknown>
    copy[key] = shown
  }
  return (copy as Container | undefined) ?? container
}

function showable(value: unknown, depth: number): unknown {
  if (value instanceof Error) return describeError(value)
  const plain = hasToJson(value) ? value.toJSON() : value
  if (typeof plain !== 'object' || plain === null) return plain
  return depth < deepest ? hideInside(plain, depth + 1) : '[too deep]'
}

// Dates have it, and so do the headers of a call.
function hasToJson(value: unknown): value is { toJSON(): unknown } {
  return (
    typeof value === 'object' && value !== null && 'toJSON' in value && typeof value.toJSON === 'function'
  )
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

// An allow-list: drivers attach the request to their errors, for example the AUTH command with its password or the
// refused row.
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
