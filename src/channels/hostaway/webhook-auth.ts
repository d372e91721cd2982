import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import type { RequestHeaders, WebhookSecrets } from '../contract/channel.ts'

const allowedSkewSeconds = 300

/**
 * Whether a webhook certainly comes from the holder of the connection's secrets. `basic` takes HTTP Basic, or a
 * signature where the connection has a secret as well; `hmac` only a signature; `basic+hmac` needs both. While
 * credentials are being replaced, both are good.
 * `rawBody` are the bytes received: re-serialised JSON would not verify.
 */
export function isAuthentic(
  secrets: WebhookSecrets,
  headers: RequestHeaders,
  rawBody: Buffer,
  now = Date.now(),
): boolean {
  // Both are always worked out, so that the time taken says nothing about which one failed.
  const basic = isBasicValid(secrets, textOf(headers.authorization))
  const signed = isSignatureValid(secrets, headers, rawBody, now)
  switch (secrets.webhookAuth) {
    case 'basic':
      return basic || signed
    case 'hmac':
      return signed
    case 'basic+hmac':
      return basic && signed
  }
}

/**
 * Whether the headers alone leave it possible that a webhook is authentic, so that the body of one that is certainly not
 * need not be read. Without secrets, whether there is any proof at all.
 */
export function mayBeAuthentic(
  secrets: WebhookSecrets | undefined,
  headers: RequestHeaders,
  now = Date.now(),
): boolean {
  const authorization = textOf(headers.authorization)
  const isSigned = textOf(headers['x-hostaway-signature']) !== undefined && isFresh(headers, now)
  if (secrets === undefined) return isSigned || authorization !== undefined
  const basic = isBasicValid(secrets, authorization)
  switch (secrets.webhookAuth) {
    case 'basic':
      return basic || (isSigned && secrets.hmacSecret !== null)
    case 'hmac':
      return isSigned
    case 'basic+hmac':
      return basic && isSigned
  }
}

function isFresh(headers: RequestHeaders, now: number): boolean {
  const timestamp = textOf(headers['x-hostaway-timestamp'])
  if (timestamp === undefined || !/^\d{1,12}$/.test(timestamp)) return false
  return Math.abs(now / 1_000 - Number(timestamp)) <= allowedSkewSeconds
}

function isBasicValid(receiver: WebhookSecrets, authorization: string | undefined): boolean {
  const [scheme = '', given = ''] = (authorization ?? '').split(' ', 2)
  const digest = digestOf(given)
  const accepted = acceptedDigests(receiver).map(
    (expected) => timingSafeEqual(digest, expected ?? emptyDigest) && expected !== undefined,
  )
  return accepted.includes(true) && scheme.toLowerCase() === 'basic'
}

// A receiver is kept for many webhooks and never changed, only replaced.
const digestsOfReceivers = new WeakMap<WebhookSecrets, Array<Buffer | undefined>>()
const emptyDigest = digestOf('')

function acceptedDigests(receiver: WebhookSecrets): Array<Buffer | undefined> {
  const known = digestsOfReceivers.get(receiver)
  if (known !== undefined) return known
  const { login, password, nextCredentials } = receiver
  const present = login === null || password === null ? undefined : { login, password }
  const digests = [present, nextCredentials].map((credentials) =>
    credentials === undefined
      ? undefined
      : digestOf(Buffer.from(`${credentials.login}:${credentials.password}`).toString('base64')),
  )
  digestsOfReceivers.set(receiver, digests)
  return digests
}

function isSignatureValid(
  receiver: WebhookSecrets,
  headers: RequestHeaders,
  rawBody: Buffer,
  now: number,
): boolean {
  const signature = textOf(headers['x-hostaway-signature'])
  const timestamp = textOf(headers['x-hostaway-timestamp'])
  if (!isFresh(headers, now)) return false
  const former = receiver.formerSecrets.filter(({ until }) => Date.parse(until) > now)
  const secrets = [receiver.hmacSecret, ...former.map(({ secret }) => secret)].filter(
    (secret) => secret !== null,
  )
  const accepted = secrets.map((secret) => {
    const expected = createHmac('sha256', secret).update(`${timestamp}.`).update(rawBody).digest('hex')
    return equalInConstantTime((signature ?? '').toLowerCase(), expected)
  })
  return accepted.includes(true)
}

// Comparing digests makes the lengths equal, which timingSafeEqual insists on.
function equalInConstantTime(given: string, expected: string): boolean {
  return timingSafeEqual(digestOf(given), digestOf(expected))
}

function textOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined
}

function digestOf(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}
