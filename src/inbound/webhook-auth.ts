import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import type { WebhookReceiver } from '../connections/webhook-receiver-store.ts'

export type WebhookCredentials = {
  authorization: string | undefined
  signature: string | undefined
  timestamp: string | undefined
}

const allowedSkewSeconds = 300

/**
 * Whether a webhook is certainly from who holds the connection's credentials. `basic` takes HTTP Basic, or a
 * signature where the connection has a secret as well; `hmac` only a signature; `basic+hmac` needs both.
 * `rawBody` are the bytes received: what was re-serialised would not verify.
 */
export function isAuthentic(
  receiver: WebhookReceiver,
  credentials: WebhookCredentials,
  rawBody: Buffer,
  now = Date.now(),
): boolean {
  // Both are always worked out, so that the time taken says nothing about which one failed.
  const basic = isBasicValid(receiver, credentials.authorization)
  const signed = isSignatureValid(receiver, credentials, rawBody, now)
  switch (receiver.webhookAuth) {
    case 'basic':
      return basic || signed
    case 'hmac':
      return signed
    case 'basic+hmac':
      return basic && signed
  }
}

function isBasicValid(receiver: WebhookReceiver, authorization: string | undefined): boolean {
  const { login, password } = receiver
  const expected = Buffer.from(`${login ?? ''}:${password ?? ''}`).toString('base64')
  const [scheme = '', given = ''] = (authorization ?? '').split(' ', 2)
  const equal = equalInConstantTime(given, expected)
  return equal && scheme.toLowerCase() === 'basic' && login !== null && password !== null
}

function isSignatureValid(
  receiver: WebhookReceiver,
  { signature, timestamp }: WebhookCredentials,
  rawBody: Buffer,
  now: number,
): boolean {
  if (receiver.hmacSecret === null || timestamp === undefined || !/^\d{1,12}$/.test(timestamp)) return false
  if (Math.abs(now / 1_000 - Number(timestamp)) > allowedSkewSeconds) return false
  const expected = createHmac('sha256', receiver.hmacSecret)
    .update(`${timestamp}.`)
    .update(rawBody)
    .digest('hex')
  return equalInConstantTime((signature ?? '').toLowerCase(), expected)
}

// Comparing digests makes the lengths equal, which timingSafeEqual insists on.
function equalInConstantTime(given: string, expected: string): boolean {
  return timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', expected, 'buffer'))
}
