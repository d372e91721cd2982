import { randomUUIDv7 } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import { textWithoutCardData } from '../channels/contract/card-data.ts'
import type { WebhookCapability } from '../channels/contract/channel.ts'
import type { WebhookEnvelope } from '../channels/contract/webhook.ts'
import type { ConnectionCache } from '../connections/connection-cache.ts'
import type { WebhookReceiver } from '../connections/connection-secret-store.ts'
import { idOf } from '../platform/http/fields.ts'
import type { Refusals } from '../platform/http/problem-codes.ts'
import { Problem } from '../platform/http/problems.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import { createThrottle } from '../platform/telemetry/throttle.ts'
import { withTimeout } from '../platform/timeout.ts'
import type { WebhookInbox } from './webhook-inbox.ts'
import type { NewWebhook } from './webhook-log.ts'

export type WebhookRouteOptions = {
  channel: { name: string; title: string; webhooks: WebhookCapability }
  connections: ConnectionCache
  inbox: WebhookInbox
  metrics: Metrics
  /** Maximum time until an answer; after it the answer is 503, and the sender retries. */
  timeoutMs: number
}

const bodyLimitBytes = 1_048_576
const logRefusedEveryMs = 1_000
const utf8 = new TextDecoder('utf-8', { fatal: true })
// Reading and parsing less than this costs no more than refusing it; a channel's test of an address is far smaller.
const smallBodyBytes = 16_384
// What may be read at a time of bodies whose proof is not complete.
const maxUnprovenBytes = 64 * 1_048_576
const idPattern = /^[\w.:-]{1,64}$/

const Received = Type.Object({ received: Type.Literal(true), webhookId: Type.Optional(Type.String()) })
const ConnectionParams = Type.Object({ connectionId: idOf('connection') })

/**
 * The two addresses that a channel delivers to. A 4xx may be final for the sender, so 401 is answered only where it
 * is certainly not the channel; what could not be checked or stored is 503 and comes again.
 */
export async function webhookRoutes(app: FastifyInstance, options: WebhookRouteOptions): Promise<void> {
  const { name, title } = options.channel
  const address = `/webhooks/${name}`
  // The same for every connection, whatever it asks for: a 401 reveals nothing about what there is.
  const challenge = `Basic realm="${title} webhooks", charset="UTF-8"`
  // The bytes are what was signed; parsed JSON could not be verified. This parser exists in here only.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    /^application\/([\w.-]+\+)?json\s*(;|$)/i,
    { parseAs: 'buffer' },
    (_request, body, done) => done(null, body),
  )

  // A logger of its own for each webhook, with its redaction, would cost more than reading the webhook; what is logged
  // here names the request itself.
  app.setChildLoggerFactory((logger) => logger)

  // A flood of wrong credentials must not flood the log as well.
  const throttle = createThrottle(logRefusedEveryMs)
  app.addHook('onSend', async (request, reply) => {
    if (reply.statusCode < 400) return
    const status = reply.statusCode
    if (status === 401) reply.header('www-authenticate', challenge)
    options.metrics.webhooksRefused.inc({ status_code: String(status) })
    throttle((heldBack) =>
      request.log.warn(
        { reqId: request.id, status, path: request.url.split('?', 1)[0], heldBack },
        'webhook.refused',
      ),
    )
  })

  const unproven = createByteBudget(maxUnprovenBytes)
  app.addHook<{ Params: { connectionId?: string } }>('onRequest', async (request, reply) => {
    if (request.method !== 'POST') return
    const bytes = announcedBytes(request)
    if (bytes <= smallBodyBytes) return
    // A body that is not read would be taken for the next request.
    reply.header('connection', 'close')
    await refuseByHeaders(request, options)
    if (!unproven.take(request, bytes)) throw unavailable('Too many large webhooks arrive at once')
    reply.removeHeader('connection')
  })
  app.addHook('onResponse', async (request) => unproven.giveBack(request))
  app.addHook('onRequestAbort', async (request) => unproven.giveBack(request))

  const common = {
    bodyLimit: bodyLimitBytes,
    config: {
      describedBody: Type.Record(Type.String(), Type.Unknown(), {
        title: `${title}Webhook`,
        description: `An event as ${title} sends it.`,
      }),
      refusals: {
        400: ['NOT_A_JSON_OBJECT'],
        401: ['UNAUTHENTICATED'],
        403: ['FOREIGN_ACCOUNT'],
      } satisfies Refusals,
    },
  }
  const described = {
    tags: [`Webhooks from ${title}`],
    security: [{ webhookLogin: [] }],
    response: { 200: Received },
  }

  app.post<{ Params: Static<typeof ConnectionParams> }>(
    `${address}/:connectionId`,
    {
      ...common,
      schema: {
        ...described,
        operationId: `receive${title}WebhookOfConnection`,
        summary: 'Receive a webhook of one connection',
        description: `The address that is registered with ${title}. 200: stored. 401: not authenticated. 403: the body names another account. 400: not JSON, or not an object. 413: over 1 MiB. 415: not JSON by its content type. 503: could not be checked or stored, send it again.`,
        params: ConnectionParams,
      },
    },
    (request, reply) =>
      receive(request, reply, options, () => options.connections.byId(request.params.connectionId)),
  )

  app.post(
    address,
    {
      ...common,
      schema: {
        ...described,
        operationId: `receive${title}WebhookOfAccount`,
        summary: 'Receive a webhook, the connection found by `accountId`',
      },
    },
    // Without a body that names it there is no account to authenticate for.
    (request, reply) =>
      receive(request, reply, options, () => receiverOfAccount(request, options), notAuthenticated),
  )

  const probe = { ...described, security: [], summary: 'Probe the address' }
  const answer = () => ({ received: true as const })
  app.get(address, { schema: { ...probe, operationId: `probe${title}Webhooks` } }, answer)
  app.get(
    `${address}/:connectionId`,
    { schema: { ...probe, operationId: `probe${title}WebhooksOfConnection`, params: ConnectionParams } },
    answer,
  )
}

// A body whose length is not said may be as long as one may be.
function announcedBytes({ headers }: FastifyRequest): number {
  const length = Number(headers['content-length'] ?? Number.NaN)
  if (Number.isFinite(length)) return length
  return headers['transfer-encoding'] === undefined ? 0 : bodyLimitBytes
}

async function refuseByHeaders(
  request: FastifyRequest<{ Params: { connectionId?: string } }>,
  { channel: { name, webhooks }, connections }: WebhookRouteOptions,
): Promise<void> {
  const { connectionId } = request.params
  const receiver =
    connectionId === undefined ? undefined : await connections.byId(connectionId).catch(notChecked)
  const isKnown = connectionId === undefined || receiver?.channel === name
  if (!isKnown || !webhooks.mayBeAuthentic(receiver, request.headers)) throw notAuthenticated()
}

function notChecked(): never {
  throw unavailable('The webhook could not be checked')
}

function createByteBudget(most: number) {
  const taken = new WeakMap<FastifyRequest, number>()
  let total = 0
  return {
    take(request: FastifyRequest, bytes: number): boolean {
      if (total + bytes > most) return false
      total += bytes
      taken.set(request, bytes)
      return true
    },
    giveBack(request: FastifyRequest): void {
      total -= taken.get(request) ?? 0
      taken.delete(request)
    },
  }
}

const accountName = Buffer.from('"accountId"')
const maxAccountsNamed = 8

// The account is looked for in the bytes: to parse what is not proven would be work for strangers. A body may name
// several accounts deep inside; the one whose secrets fit is meant, and the parsed body is compared with it later.
async function receiverOfAccount(
  request: FastifyRequest,
  { channel: { name, webhooks }, connections }: WebhookRouteOptions,
): Promise<WebhookReceiver | undefined> {
  const { body } = request
  if (!Buffer.isBuffer(body)) return undefined
  for (const accountId of accountsNamedIn(body)) {
    const receiver = await connections.byAccount(name, accountId)
    if (receiver !== undefined && webhooks.isAuthentic(receiver, request.headers, body)) return receiver
  }
  return undefined
}

function accountsNamedIn(body: Buffer): Set<string> {
  const named = new Set<string>()
  let at = body.indexOf(accountName)
  for (let seen = 0; at !== -1 && seen < maxAccountsNamed; seen += 1) {
    const behind = body.toString('latin1', at + accountName.length, at + accountName.length + 40)
    const [, id] = /^\s*:\s*"?(\d{1,18})/.exec(behind) ?? []
    if (id !== undefined) named.add(id)
    at = body.indexOf(accountName, at + 1)
  }
  return named
}

async function receive(
  request: FastifyRequest,
  reply: FastifyReply,
  options: WebhookRouteOptions,
  findReceiver: () => Promise<WebhookReceiver | undefined>,
  explainBody: (problem: Problem) => Problem = (problem) => problem,
): Promise<FastifyReply> {
  const rawBody = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
  if (options.channel.webhooks.isProbe(rawBody)) return reply.send({ received: true })
  try {
    const accepted = accept(request, rawBody, options, findReceiver, explainBody)
    const webhookId = await withTimeout(options.timeoutMs, accepted, () => {
      throw unavailable('It took too long to store the webhook')
    })
    return reply.send({ received: true, webhookId })
  } catch (error) {
    if (error instanceof Problem) throw error
    request.log.warn({ reqId: request.id, err: error }, 'webhook.not_stored')
    throw unavailable('The webhook could not be stored')
  }
}

async function accept(
  request: FastifyRequest,
  rawBody: Buffer,
  { channel, inbox, metrics }: WebhookRouteOptions,
  findReceiver: () => Promise<WebhookReceiver | undefined>,
  explainBody: (problem: Problem) => Problem,
): Promise<string> {
  const webhook = readWebhook(channel, request, rawBody, await findReceiver(), explainBody)
  await inbox.store(webhook)
  metrics.webhooksReceived.inc({ event_type: webhook.eventType })
  return webhook.id
}

// Apart from the waiting, so that what was parsed is gone before the commit: thousands of such trees that live for some
// milliseconds keep the garbage collector busy.
function readWebhook(
  { name, webhooks }: WebhookRouteOptions['channel'],
  request: FastifyRequest,
  rawBody: Buffer,
  receiver: WebhookReceiver | undefined,
  explainBody: (problem: Problem) => Problem,
): NewWebhook {
  const isKnown = receiver?.channel === name && webhooks.isAuthentic(receiver, request.headers, rawBody)
  if (receiver === undefined || !isKnown) {
    throw notAuthenticated()
  }
  const text = decode(rawBody)
  const body = text === undefined ? undefined : parseJson(text)
  const envelope = body === undefined ? undefined : envelopeOf(webhooks, body)
  if (text === undefined || envelope === undefined) {
    throw explainBody(new Problem(400, 'NOT_A_JSON_OBJECT', 'The body must be one JSON object in UTF-8'))
  }
  if (envelope.accountId !== null && envelope.accountId !== receiver.accountId) {
    throw explainBody(
      new Problem(403, 'FOREIGN_ACCOUNT', 'The body names an account that is not the connection’s'),
    )
  }
  return {
    id: randomUUIDv7(),
    tenantId: receiver.tenantId,
    connectionId: receiver.id,
    eventType: envelope.eventType,
    sourceEvent: storable(envelope.sourceEvent),
    externalId: externalIdOf(envelope),
    body: toKeep(rawBody, text, textWithoutCardData(text, body)),
  }
}

function envelopeOf(webhooks: WebhookCapability, body: unknown): WebhookEnvelope | undefined {
  const parsed = webhooks.parse(body)
  return parsed.ok ? parsed.event : undefined
}

// What is not UTF-8 is not JSON; replacing the bad bytes would store a body that was never sent.
function decode(rawBody: Buffer): string | undefined {
  try {
    return utf8.decode(rawBody)
  } catch {
    return undefined
  }
}

// What is kept as it was received need not be turned into bytes again; a byte order mark is not kept.
function toKeep(rawBody: Buffer, received: string, kept: string): Buffer | string {
  const hasMark = rawBody[0] === 0xef && rawBody[1] === 0xbb && rawBody[2] === 0xbf
  return kept === received && !hasMark ? rawBody : kept
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function externalIdOf({ objectId }: WebhookEnvelope): string | null {
  return objectId !== null && idPattern.test(objectId) ? objectId : null
}

// A text column takes no NUL, and this one is for people to read.
function storable(event: string | null): string | null {
  return event === null ? null : event.replaceAll('\u0000', '').slice(0, 100)
}

function notAuthenticated(): Problem {
  return new Problem(401, 'UNAUTHENTICATED', 'The webhook is not authenticated')
}

function unavailable(detail: string): Problem {
  return new Problem(503, 'WEBHOOK_NOT_STORED', `${detail}; send it again`)
}
