import { isAxiosError } from 'axios'
import { AppError, type FailureKind } from '../../platform/errors.ts'
import { explanationOf, isHostaways, saysInvalidClient } from './wire/envelope.ts'

/** An answer of Hostaway's, whatever its status; header names are in lower case. */
export type Answer = { status: number; headers: Record<string, unknown>; text: string }

/** What a call must never reveal in an error: its token, key or credentials. */
export type Secrets = readonly string[]

const maxExplanation = 200
const shortestPauseMs = 1_000
const maxPauseMs = 60_000
const pauseWithoutHintMs = 10_000

/** The failure an answer stands for by its status, undefined for a 2xx; never carries a secret or a response body. */
export function failureOfAnswer(
  answer: Answer,
  secrets: Secrets,
  atTokenEndpoint: boolean,
): AppError | undefined {
  const { status } = answer
  if (status >= 200 && status < 300) return undefined
  const kind = kindOfStatus(answer, atTokenEndpoint)
  const who = kind === 'intercepted' ? 'Something in front of Hostaway' : 'Hostaway'
  const message = `${who} answered ${status}${quoted(explanationOf(answer.text), secrets)}`
  if (kind !== 'rate_limited') return new AppError(kind, message, { status })
  return new AppError(kind, message, { status, retryAt: retryAtOf(answer.headers) })
}

/** The failure that Hostaway reported inside an answer of status 200. */
export function failureReported(explanation: string | undefined, status: number, secrets: Secrets): AppError {
  return new AppError('business_rule', `Hostaway reported a failure${quoted(explanation, secrets)}`, {
    status,
  })
}

/** The failure of an answer that is not what was asked for. `reason` is ours, it never quotes the answer. */
export function malformedAnswer(reason: string, status: number): AppError {
  return new AppError('malformed_response', `Hostaway's answer could not be used: ${reason}`, { status })
}

/**
 * The failure of a call that got no complete answer. The caught error is not attached as cause: it holds the request
 * with its headers.
 */
export function failureWithoutAnswer(error: unknown, timedOut: boolean, timeoutMs: number): AppError {
  const code = isAxiosError(error) ? error.code : undefined
  if (timedOut || code === 'ECONNABORTED' || code === 'ETIMEDOUT') {
    return new AppError('timeout', `Hostaway did not answer within ${timeoutMs} ms`)
  }
  if (!isAxiosError(error)) return new AppError('unexpected', 'The call to Hostaway could not be made')
  if (error.message.startsWith('maxContentLength')) {
    return new AppError('malformed_response', 'Hostaway sent an answer larger than 20 MB')
  }
  if (isUnreadable(code)) {
    return new AppError('malformed_response', `Hostaway sent an answer that is not HTTP (${code})`)
  }
  return new AppError('network', `Hostaway could not be reached (${networkCode(error, code)})`)
}

function kindOfStatus({ status, text }: Answer, atTokenEndpoint: boolean): FailureKind {
  if (status >= 500) return 'hostaway_unavailable'
  if (status === 429) return 'rate_limited'
  // Said by a proxy that lost patience: nothing is wrong with the request itself.
  if (status === 408) return 'timeout'
  // A gateway, a page of maintenance or a check for robots says any of these; only Hostaway's own words mean "never".
  if (status < 400 || !isHostaways(text)) return 'intercepted'
  if (atTokenEndpoint && (status === 401 || saysInvalidClient(text))) return 'credentials_rejected'
  // Hostaway says 403 to a stale token; a gateway in front would say 401, and the caller looks into both alike.
  if (status === 401 || status === 403) return 'forbidden'
  if (status === 404) return 'not_found'
  if (status === 409) return 'conflict'
  return 'rejected'
}

// The header is a UNIX timestamp in seconds. Read as a number of seconds to wait it would mean decades.
function retryAtOf(headers: Record<string, unknown>): Date {
  const now = Date.now()
  const seconds = Number(headers['x-ratelimit-retry-after'] ?? Number.NaN)
  const hinted = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : now + pauseWithoutHintMs
  return new Date(Math.min(Math.max(hinted, now + shortestPauseMs), now + maxPauseMs))
}

function quoted(explanation: string | undefined, secrets: Secrets): string {
  if (explanation === undefined) return ''
  const readable = redact(explanation, secrets)
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
  const shortened = readable.length > maxExplanation ? `${readable.slice(0, maxExplanation)}…` : readable
  return `: ${shortened.toWellFormed()}`
}

/** A text without the given secrets, whatever looks like a token or credentials, and the queries of addresses. */
export function redact(text: string, secrets: Secrets): string {
  let redacted = text
  for (const secret of secrets.filter((value) => value !== '')) {
    for (const spelling of spellingsOf(secret)) redacted = redacted.replaceAll(spelling, '[secret]')
  }
  return redacted
    .replaceAll(/\b(Bearer|Basic)\s+\S+/gi, '$1 [secret]')
    .replaceAll(/\beyJ[\w-]+(?:\.[\w-]*){0,2}/g, '[secret]')
    .replaceAll(/(https?:\/\/[^\s?#]+)[?#]\S*/gi, '$1')
    .replaceAll(
      /\b((?:access_)?token|client_secret|password|api_?key)(["'\s]*[=:]["'\s]*)[^\s"'&,}]+/gi,
      '$1$2[secret]',
    )
}

// As it is, in an address, and in a form.
function spellingsOf(secret: string): string[] {
  return [
    secret,
    encodeURIComponent(secret),
    new URLSearchParams({ secret }).toString().slice('secret='.length),
  ]
}

function isUnreadable(code: string | undefined): boolean {
  if (code === undefined) return false
  return code.startsWith('HPE_') || code.startsWith('Z_') || code.startsWith('ERR__ERROR_FORMAT')
}

function networkCode(error: Error, code: string | undefined): string {
  if (code !== undefined && /^[A-Z0-9_]{1,60}$/.test(code)) return code
  return error.cause instanceof Error ? error.cause.name : 'no code'
}
