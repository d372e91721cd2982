import { isRecord } from '../../contract/field-reader.ts'

/** An answer of Hostaway's API, read by content: the HTTP status alone says little. */
export type Envelope =
  | { outcome: 'success'; result: unknown; limit: number | undefined; count: number | undefined }
  | { outcome: 'fail'; message: string | undefined }
  | { outcome: 'malformed'; reason: string }

/** Reads the text of an answer. Never throws. */
export function parseEnvelope(text: string): Envelope {
  const body = parseJson(text)
  if (!isRecord(body)) return { outcome: 'malformed', reason: describeText(text) }
  if (body.status === 'fail' || body.status === 'error')
    return { outcome: 'fail', message: explanationIn(body) }
  if (body.status !== undefined && body.status !== 'success') {
    return { outcome: 'malformed', reason: 'the status is neither success nor fail' }
  }
  if (!Object.hasOwn(body, 'result') || body.result === undefined) {
    return { outcome: 'malformed', reason: 'the result is missing' }
  }
  return {
    outcome: 'success',
    result: body.result,
    limit: wholeNumberFrom(body.limit, 1),
    count: wholeNumberFrom(body.count, 0),
  }
}

function wholeNumberFrom(value: unknown, least: number): number | undefined {
  const number = value == null ? Number.NaN : Number(value)
  return Number.isInteger(number) && number >= least ? number : undefined
}

/** The words Hostaway gives for a failure, wherever it put them; undefined when there are none. */
export function explanationOf(text: string): string | undefined {
  const body = parseJson(text)
  return isRecord(body) ? explanationIn(body) : undefined
}

/** Whether a refusal is in Hostaway's own form: its envelope, or what OAuth prescribes. */
export function isHostaways(text: string): boolean {
  const body = parseJson(text)
  if (!isRecord(body)) return false
  return body.status === 'fail' || body.status === 'error' || typeof body.error === 'string'
}

/** Whether the token endpoint says in so many words that the credentials are wrong. */
export function saysInvalidClient(text: string): boolean {
  const body = parseJson(text)
  return isRecord(body) && body.error === 'invalid_client'
}

/** A page is the last one when it is empty or shorter than the limit the answer echoes; without an echo only empty ends. */
export function isLastPage(rows: number, echoedLimit: number | undefined): boolean {
  return rows === 0 || (echoedLimit !== undefined && rows < echoedLimit)
}

/** The token endpoint answers bare; an envelope around it is tolerated. Undefined when there is no usable token in it. */
export function parseIssuedToken(
  text: string,
): { accessToken: string; expiresInSeconds: number } | undefined {
  const body = parseJson(text)
  if (!isRecord(body)) return undefined
  const answer = isRecord(body.result) && body.access_token === undefined ? body.result : body
  const accessToken = answer.access_token
  const expiresInSeconds = Number(answer.expires_in)
  // Visible ASCII only: the token goes into a header.
  if (typeof accessToken !== 'string' || !/^[\x21-\x7e]{1,8192}$/.test(accessToken)) return undefined
  if (!Number.isFinite(expiresInSeconds) || expiresInSeconds <= 0) return undefined
  return { accessToken, expiresInSeconds: Math.floor(expiresInSeconds) }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function explanationIn(body: Record<string, unknown>): string | undefined {
  const words = [body.message, body.result, body.error_description, body.error]
  return words.find((word): word is string => typeof word === 'string' && word.trim() !== '')
}

function describeText(text: string): string {
  if (text.trim() === '') return 'the body is empty'
  return /^\s*</.test(text) ? 'the body is HTML, not JSON' : 'the body is not a complete JSON object'
}
