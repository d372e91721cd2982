import { type FuzzAccount, fuzzBody, limitSizes, webhookOfSize } from './fuzz-bodies.ts'
import { cardNumber } from './fuzz-values.ts'
import type { Draw } from './seeded-draw.ts'

export type Sending = 'whole' | 'in pieces' | 'slowly' | 'broken off'

export type FuzzRequest = {
  method: string
  path: string
  headers: Record<string, string>
  body: Buffer
  sending: Sending
  /** The answers that are right. */
  answers: number[]
  /** Whether the body holds a card, so that it is not stored as it was sent. */
  hasCard: boolean
}

export type FuzzTarget = FuzzAccount & { connectionId: string; authorization: string }

const bodyLimitBytes = 1_048_576
const byAccount = '/webhooks/hostaway'
const jsonTypes = [
  'application/json',
  'application/json; charset=utf-8',
  'Application/JSON;charset=UTF-8',
  'application/vnd.api+json',
]
const otherTypes = [
  'text/plain',
  'text/json',
  'application/x-www-form-urlencoded',
  'application/jsonp',
  'x',
  '*/*',
]
const strangeHeaders: Record<string, string>[] = [
  { 'x-hostaway-signature': 'f'.repeat(64), 'x-hostaway-timestamp': '1' },
  { 'x-hostaway-signature': '', 'x-hostaway-timestamp': '9'.repeat(400) },
  { 'content-encoding': 'gzip' },
  { 'accept-encoding': 'br;q=2, *' },
  { 'x-forwarded-for': '::1, , 999.1.1.1' },
  { 'x-padding': 'p'.repeat(9_000) },
  { 'content-language': '\u00e9\u00ff' },
  { 'x-http-method-override': 'DELETE' },
  { traceparent: '00-zzzz-zzzz-01' },
  { origin: 'null' },
]

/** One request of the fuzz, with the answers it may get by decisions 2 and 15. */
export function fuzzRequest(draw: Draw, target: FuzzTarget): FuzzRequest {
  const share = draw.fraction()
  if (share < 0.01) return probe(draw, target)
  const isOfAConnection = draw.chance(0.7)
  const path = isOfAConnection ? `${byAccount}/${target.connectionId}` : byAccount
  const body = share < 0.012 ? webhookOfSize(target, draw.pick(limitSizes)) : fuzzBody(draw, target)
  const contentType = draw.chance(0.97) ? draw.pick(jsonTypes) : draw.pick(otherTypes)
  const authorization = draw.chance(0.96) ? target.authorization : wrongAuthorization(draw, target)
  const isKnown = authorization === target.authorization
  const isStrange = draw.chance(0.05)
  const request = {
    method: 'POST',
    path: draw.chance(0.98) || !isOfAConnection ? path : wrongPath(draw, target),
    headers: {
      'content-type': contentType,
      ...(authorization === '' ? {} : { authorization }),
      ...(isStrange ? draw.pick(strangeHeaders) : {}),
    },
    body,
    sending: sendingOf(draw, body),
    hasCard: body.includes(cardNumber),
  }
  const isRightPath = request.path === path
  const answers = !jsonTypes.includes(contentType)
    ? [415]
    : body.length > bodyLimitBytes
      ? [413]
      : answersFor({
          body,
          isOfAConnection,
          isAuthentic: isKnown && isRightPath,
          accountId: target.accountId,
        })
  // An unknown address is answered before any other check.
  return { ...request, answers: isRightPath ? answers : [...answers, 400, 401, 404, 414] }
}

function answersFor(facts: {
  body: Buffer
  isOfAConnection: boolean
  isAuthentic: boolean
  accountId: number
}): number[] {
  const value = parse(facts.body)
  if (isPing(facts.body, value)) return [200]
  const named = isRecord(value) && Object.hasOwn(value, 'accountId') ? value.accountId : undefined
  const isId = typeof named === 'string' || typeof named === 'number'
  const isOurs = isId && String(named).trim() === String(facts.accountId)
  if (!facts.isOfAConnection && !isOurs) return [401]
  if (!facts.isAuthentic) return [401]
  if (!isRecord(value)) return [400]
  // A value that is no id names no account; the id of another account is refused.
  return named === undefined || isOurs ? [200] : [200, 403]
}

function isPing(body: Buffer, value: unknown): boolean {
  return isRecord(value) && Object.keys(value).length === 1 && value.data === 'test' && body.length < 100
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    return undefined
  }
}

function probe(draw: Draw, target: FuzzTarget): FuzzRequest {
  const path = draw.pick([byAccount, `${byAccount}/${target.connectionId}`, `${byAccount}/anything`])
  const method = draw.pick(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])
  const answers = method === 'GET' || method === 'HEAD' ? [200] : [404, 405]
  return { method, path, headers: {}, body: Buffer.alloc(0), sending: 'whole', answers, hasCard: false }
}

function sendingOf(draw: Draw, body: Buffer): Sending {
  const share = draw.fraction()
  if (share < 0.0005) return 'slowly'
  if (share < 0.01 && body.length > 10) return 'broken off'
  return share < 0.05 ? 'in pieces' : 'whole'
}

function wrongAuthorization(draw: Draw, { authorization }: FuzzTarget): string {
  return draw.pick([
    '',
    'Basic',
    'Basic ',
    'Basic ====',
    `Bearer ${authorization.slice(6)}`,
    `${authorization}A`,
    authorization.slice(0, -3),
    `Basic ${Buffer.from(':').toString('base64')}`,
    `Basic ${'A'.repeat(6_000)}`,
    `Digest username="x", realm="\u00ff"`,
  ])
}

function wrongPath(draw: Draw, { connectionId }: FuzzTarget): string {
  return draw.pick([
    `${byAccount}/${connectionId}x`,
    `${byAccount}/${connectionId}/more`,
    `${byAccount}/%00`,
    `${byAccount}/%ff%fe`,
    `${byAccount}/%zz`,
    `${byAccount}/..%2f..%2fv1%2ftenants`,
    `${byAccount}/${'0'.repeat(4_000)}`,
    `${byAccount}/00000000-0000-0000-0000-000000000000`,
    `${byAccount}/__proto__`,
    `${byAccount}/?a[]=1&a[__proto__]=2`,
  ])
}
