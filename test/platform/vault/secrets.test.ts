import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { sql } from 'kysely'
import { readAccessToken, readConnectionSecrets } from '../../../src/connections/connection-secret-store.ts'
import { afterAll, type EndsLater } from '../../support/after-all.ts'
import { type QueueBackend, queueBackends } from '../../support/backends.ts'
import { eventually } from '../../support/eventually.ts'
import { dumpRedis, dumpTables, placesOf } from '../../support/leak-search.ts'
import { reservationBody } from '../../support/reservation-bodies.ts'
import {
  adminToken,
  sandboxAccount,
  startTestSystem,
  type TestConnection,
  type TestSystem,
} from '../../support/test-system.ts'

const { accountId, apiKey } = sandboxAccount
const second = { accountId: 10_002, apiKey: 'key-of-the-second-account' }
const wrongKey = 'a-key-that-is-not-the-right-one'
const nextKey = 'the-key-after-the-first'
const givenSecret = 'hmac-secret-of-the-request'

const names = [
  'API key',
  'rejected API key',
  'replaced API key',
  'access token',
  'access token of the second connection',
  'webhook login',
  'webhook password',
  'base64 of login:password',
  'given HMAC secret',
  'made HMAC secret',
  'API token of an owner',
  'bootstrap API token',
  'encryption key',
] as const

for (const backend of queueBackends()) {
  describe(`after a run with failures in it, on ${backend.name}`, () => {
    const context = afterAll()
    const secrets = {} as Record<(typeof names)[number], string>
    let haystacks: Record<string, string> = {}
    let webhookInQueue = ''

    before(async () => {
      const run = await runWithFailures(context, backend, secrets)
      haystacks = run.haystacks
      webhookInQueue = run.webhookInQueue
    })

    it('the search finds what is there', () => {
      const found = (text: string) => placesOf(text, haystacks)
      assert.ok(found('connection.connected').includes('log'))
      assert.ok(found('HOSTAWAY_CREDENTIALS_REJECTED').includes('responses'))
      assert.ok(found('hostaway_dead_letters_total').includes('metrics'))
      assert.ok(found('Ines Ferreira').includes('table public.bookings'))
      assert.ok(found('needs_reauth').includes('table public.hostaway_connections'))
      assert.notEqual(haystacks['table public.dead_letter_queue'], '')
      assert.notEqual(haystacks['table public.event_outbox'], '')
      const queue = backend.name === 'redis' ? 'redis' : `table ${backend.prefix}_queue.`
      assert.ok(found(webhookInQueue).some((place) => place.startsWith(queue)))
    })

    for (const name of names) {
      it(`the ${name} is found nowhere`, () => {
        assert.ok(secrets[name].length >= 8)
        assert.deepEqual(placesOf(secrets[name], haystacks), [])
      })
    }
  })
}

async function runWithFailures(
  context: EndsLater,
  backend: QueueBackend,
  secrets: Record<(typeof names)[number], string>,
) {
  const system = await startTestSystem(context, {
    backend,
    settings: {
      LOG_LEVEL: 'trace',
      HOSTAWAY_MAX_RETRIES: '2',
      HOSTAWAY_RETRY_DELAY_MS: '1',
      HOSTAWAY_API_TIMEOUT_MS: '300',
      HOSTAWAY_CIRCUIT_BREAKER_ENABLED: 'false',
    },
  })
  const responses: string[] = []
  const keep = <Answer extends { text: string; headers: Headers }>(answer: Answer): Answer => {
    responses.push(JSON.stringify([...answer.headers]), answer.text)
    return answer
  }
  const api = async (...request: Parameters<TestSystem['api']>) => keep(await system.api(...request))

  const connection = await failToConnect(system, api)
  const madeSecret = await connectSecond(system, responses)
  const { body: made } = await system.api<{ token: string }>('POST', '/v1/tokens', {
    tenant: 'demo',
    role: 'owner',
    name: 'shown once',
  })
  Object.assign(secrets, await secretsOf(system, connection, madeSecret, made.token))
  await makeFailuresOfRequests(api, secrets)
  await makeFailuresOfWebhooks(system, connection, keep, secrets)
  await makeFailuresOfJobs(system, connection, secrets)
  for (const list of ['connections', 'bookings', 'booking-queue', 'webhooks', 'dead-letters', 'feed']) {
    await api('GET', `/v1/${list}?limit=200`)
  }
  await readEachRow(api)

  await system.stopWorkers()
  const { body } = await system.deliver(connection, webhookOf(reservationBody({ id: 700_900 })))
  await eventually(async () => assert.ok((await system.deps.queues.dueJobs('inbound')) > 0))
  const metrics = await system.api('GET', '/metrics', undefined, null)
  return {
    webhookInQueue: body.webhookId,
    haystacks: {
      log: system.logged.join(''),
      responses: responses.join('\n'),
      metrics: metrics.text,
      ...(await dumpTables(system.db)),
      ...(backend.name === 'redis' ? { redis: await dumpRedis(backend.redisUrl, backend.prefix) } : {}),
    },
  }
}

type Api = (...request: Parameters<TestSystem['api']>) => Promise<{ status: number; text: string }>

async function failToConnect(system: TestSystem, api: Api): Promise<TestConnection> {
  const request = {
    tenant: 'demo',
    channel: 'hostaway',
    accountId,
    autoImport: true,
    webhookSecret: givenSecret,
  }
  const connect = (changes: object) => api('POST', '/v1/connections', { ...request, apiKey, ...changes })
  await api('POST', '/v1/tenants', { slug: 'demo', name: 'demo' })
  await connect({ apiKey: wrongKey })
  await connect({ accountId: 'not a number', webhookAuth: 'none' })
  await connect({ apiKey: [apiKey, wrongKey], surplus: nextKey })
  // Whatever is wrong at Hostaway, it may repeat what it was given.
  const echo = { status: 'fail', message: `client_secret=${apiKey} of ${accountId} is odd, so is ${apiKey}` }
  for (const fault of [
    { kind: 'status', status: 500, body: echo },
    { kind: 'status', status: 422, body: echo },
    { kind: 'fail200', body: echo.message },
    { kind: 'malformed', malformation: 'truncated' },
    { kind: 'drop' },
    { kind: 'hang' },
  ] as const) {
    await system.control.injectFault({ ...fault, path: '/accessTokens', count: 1 })
    await connect({})
  }
  await system.control.injectFault({
    kind: 'status',
    status: 500,
    method: 'POST',
    path: '/webhooks/**',
    count: 1,
  })
  await connect({})
  await system.control.changeApiKey(accountId, nextKey)
  await connect({ apiKey })
  await system.control.addListing(accountId, { id: 8_001, name: 'Quay Flat' })
  return system.connect({ accountId, apiKey: nextKey })
}

// The one answer that shows a secret is not kept.
async function connectSecond(system: TestSystem, responses: string[]): Promise<string> {
  await system.control.addAccount({ ...second, listings: [{ name: 'Second' }] })
  await system.api('POST', '/v1/tenants', { slug: 'second', name: 'second' })
  const request = { tenant: 'second', channel: 'hostaway', webhookAuth: 'basic+hmac', ...second }
  const first = await system.api<{ webhook: { secret: string } }>('POST', '/v1/connections', request)
  responses.push((await system.api('POST', '/v1/connections', request)).text)
  return first.body.webhook.secret
}

async function secretsOf(
  system: TestSystem,
  connection: TestConnection,
  madeSecret: string,
  apiToken: string,
) {
  const { db, vault } = system.deps
  const stored = await readConnectionSecrets(db, vault, connection.id)
  const tokenOf = async (tenant: string) => {
    const { id } = await db
      .selectFrom('hostaway_connections')
      .innerJoin('tenants', 'tenants.id', 'tenant_id')
      .select('hostaway_connections.id')
      .where('slug', '=', tenant)
      .executeTakeFirstOrThrow()
    return (await readAccessToken(db, vault, id))?.token ?? ''
  }
  return {
    'API key': nextKey,
    'rejected API key': wrongKey,
    'replaced API key': apiKey,
    'access token': await tokenOf('demo'),
    'access token of the second connection': await tokenOf('second'),
    'webhook login': stored?.webhookLogin ?? '',
    'webhook password': stored?.webhookPassword ?? '',
    'base64 of login:password': connection.basic.replace('Basic ', ''),
    'given HMAC secret': givenSecret,
    'made HMAC secret': madeSecret,
    'API token of an owner': apiToken,
    'bootstrap API token': adminToken,
    'encryption key': system.keys.split(':')[1] ?? '',
  }
}

async function makeFailuresOfRequests(api: Api, secrets: Record<string, string>): Promise<void> {
  const token = secrets['API token of an owner'] ?? ''
  await api('GET', `/v1/nowhere?apiKey=${nextKey}&token=${token}`, undefined, token)
  await api('GET', `/v1/bookings?limit=wrong&token=${token}`, undefined, token)
  await api('GET', `/v1/bookings/%zz?token=${token}`, undefined, token)
  await api('GET', '/v1/bookings', undefined, `${token}x`)
  await api('POST', '/v1/tenants', { slug: 'x', name: 'x' }, token)
  await api('POST', '/v1/connections', `{"apiKey":"${nextKey}"`, token)
}

async function makeFailuresOfWebhooks(
  system: TestSystem,
  connection: TestConnection,
  keep: <Answer extends { text: string; headers: Headers }>(answer: Answer) => Answer,
  secrets: Record<string, string>,
): Promise<void> {
  const deliver = async (body: unknown, headers: Record<string, string> = {}) =>
    keep(await system.deliver(connection, body, headers))
  const login = `${secrets['webhook login']}:${secrets['webhook password']}`
  await deliver({ event: 'x' }, { authorization: `Bearer ${login}` })
  await deliver({ event: 'x' }, { authorization: `${connection.basic}x` })
  await deliver({ event: 'x' }, { 'x-hostaway-signature': givenSecret, authorization: '' })
  await deliver('{"event":')
  await deliver('[]')
  await deliver({ accountId: 99, event: 'x', data: {} })
  await deliver({ event: 'x' }, { 'content-type': 'text/plain' })
  await sql`alter table webhook_logs rename to webhook_logs_hidden`.execute(system.db)
  await deliver(webhookOf(reservationBody()))
  await sql`alter table webhook_logs_hidden rename to webhook_logs`.execute(system.db)
  assert.equal((await deliver(webhookOf(reservationBody()))).status, 200)
  await deliver(webhookOf(reservationBody({ id: 700_100, listingMapId: 999_999 })))
  await deliver(webhookOf({ arrivalDate: '2027-01-01' }))
}

async function makeFailuresOfJobs(
  system: TestSystem,
  connection: TestConnection,
  secrets: Record<string, string>,
): Promise<void> {
  const token = secrets['access token']
  const echo = { status: 'fail', message: `Authorization: Bearer ${token} is bad, access_token=${token}` }
  const answers = [
    { kind: 'status', status: 500, body: echo },
    { kind: 'status', status: 422, body: echo },
    { kind: 'fail200', body: echo.message },
    { kind: 'hang' },
    // Last, as the connection needs a new key after it.
    { kind: 'status', status: 403, body: echo },
  ] as const
  for (const [index, answer] of answers.entries()) {
    await system.control.injectFault({ ...answer, path: '/reservations/*' })
    if (index === answers.length - 1) await system.control.injectFault({ ...answer, path: '/listings' })
    const id = 700_300 + index
    await system.deliver(connection, {
      event: 'reservation.updated',
      object: 'reservation',
      objectId: id,
      accountId,
    })
    await eventually(async () => {
      const { rows } = await sql<{ count: string }>`select count(*) from dead_letter_queue`.execute(system.db)
      // One more was left by the webhook without an id.
      assert.equal(Number(rows[0]?.count), index + 2)
    })
    await system.control.clearFaults()
  }
}

async function readEachRow(api: Api): Promise<void> {
  for (const list of ['connections', 'bookings', 'booking-queue', 'webhooks', 'dead-letters']) {
    const { text } = await api('GET', `/v1/${list}`)
    for (const { id } of (JSON.parse(text) as { data: Array<{ id: string }> }).data) {
      await api('GET', `/v1/${list}/${id}`)
    }
  }
}

function webhookOf(data: Record<string, unknown>) {
  return { event: 'reservation.created', object: 'reservation', accountId, data }
}
