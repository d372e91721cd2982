import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { freePort } from '../../local/free-port.ts'
import {
  readConnectionSecrets,
  readWebhookCredentials,
} from '../../src/connections/connection-secret-store.ts'
import { afterAll } from '../support/after-all.ts'
import { eventually } from '../support/eventually.ts'
import { type Halt, openHaltingProxy } from '../support/halting-proxy.ts'
import { callHostaway } from '../support/hostaway-account.ts'
import { startProcess } from '../support/spawned-process.ts'
import { adminToken, startTestSystem } from '../support/test-system.ts'

type Subject = {
  operation: Operation
  accountId: number
  tenant: string
  halt: Halt | undefined
  before: string | undefined
}
type Operation = keyof typeof operations

// The calls of each without an interruption: the halts cover all of them.
const operations = {
  connect: { calls: 4, isNew: true },
  'connect again': { calls: 3, isNew: false },
  rotate: { calls: 2, isNew: false },
  disconnect: { calls: 3, isNew: false },
} as const

const foreignUrl = 'https://somebody-else.example/hook'
const firstAccount = 60_001
const turnsAtATime = 8

const context = afterAll()
const system = await startTestSystem(context, { workers: false })
const { db, deps, control, config } = system
const proxy = await openHaltingProxy(context, system.sandbox.apiUrl)
// Enough for all connections to hold their locks at the same time.
const victims = await Promise.all(
  Array.from({ length: 3 }, async () => {
    const port = await freePort()
    const process = startProcess(context, 'src/server.ts', {
      DATABASE_URL: config.DATABASE_URL,
      ENCRYPTION_KEYS: system.keys,
      ADMIN_API_TOKEN: adminToken,
      PORT: String(port),
      PUBLIC_URL: config.PUBLIC_URL,
      HOSTAWAY_API_URL: proxy.apiUrl,
      HOSTAWAY_RATE_LIMIT_PROFILE: config.HOSTAWAY_RATE_LIMIT_PROFILE,
    })
    return { process, url: `http://127.0.0.1:${port}` }
  }),
)

const subjects = Object.entries(operations).flatMap(([operation, { calls }]) => [
  { operation: operation as Operation, halt: undefined },
  ...Array.from({ length: calls }, (_, index) =>
    (['before', 'after'] as const).map((when) => ({
      operation: operation as Operation,
      halt: { call: index + 1, when },
    })),
  ).flat(),
])

async function prepare({ operation, halt }: (typeof subjects)[number], index: number): Promise<Subject> {
  const accountId = firstAccount + index
  const tenant = `tenant-${accountId}`
  await control.addAccount({
    accountId,
    apiKey: keyOf(accountId),
    listings: [{ name: `Listing ${accountId}` }],
  })
  await system.api('POST', '/v1/tenants', { slug: tenant, name: tenant })
  const owner = { accountId, apiKey: keyOf(accountId) }
  const foreign = { isEnabled: 0, url: foreignUrl }
  await callHostaway(system.sandbox.apiUrl, owner, {
    method: 'POST',
    path: '/webhooks/unifiedWebhooks',
    body: foreign,
  })
  const { isNew } = operations[operation]
  const connection = isNew ? undefined : await system.connect({ tenant, accountId, apiKey: keyOf(accountId) })
  if (halt !== undefined) proxy.haltAt(accountId, halt)
  return { operation, accountId, tenant, halt, before: connection?.basic }
}

const keyOf = (accountId: number) => `key-of-${accountId}`

/** Asks for the operation at one API process; undefined where it died over it. */
async function perform(
  { operation, accountId, tenant }: Subject,
  api: string,
): Promise<{ status: number; text: string } | undefined> {
  const id = (await rowOf(tenant))?.id
  const connecting = {
    method: 'POST',
    path: '/v1/connections',
    body: { tenant, channel: 'hostaway', accountId, apiKey: keyOf(accountId) },
  }
  const request = {
    connect: connecting,
    'connect again': connecting,
    rotate: { method: 'POST', path: `/v1/connections/${id}/rotate-webhook-credentials`, body: {} },
    disconnect: { method: 'DELETE', path: `/v1/connections/${id}`, body: undefined },
  }[operation]
  const answer = await fetch(`${api}${request.path}`, {
    method: request.method,
    headers: {
      authorization: `Bearer ${adminToken}`,
      ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
  }).catch(() => undefined)
  return answer === undefined ? undefined : { status: answer.status, text: await answer.text() }
}

function assertDone({ operation }: Subject, answer: Awaited<ReturnType<typeof perform>>): void {
  assert.ok(answer?.status === 200 || answer?.status === 201, `${operation}: ${answer?.text}`)
}

async function rowOf(tenant: string) {
  return db
    .selectFrom('hostaway_connections')
    .innerJoin('tenants', 'tenants.id', 'tenant_id')
    .selectAll('hostaway_connections')
    .where('slug', '=', tenant)
    .executeTakeFirst()
}

/** Everything about a connection that must not depend on how often it was interrupted. */
async function stateOf({ tenant, accountId, before }: Subject) {
  const row = await rowOf(tenant)
  assert.ok(row, `${tenant} has no connection`)
  const { webhooks } = await control.state(accountId)
  const own = webhooks.filter(({ url }) => url === row.webhook_url)
  const secrets = await readConnectionSecrets(db, deps.vault, row.id)
  const { current, next } = await readWebhookCredentials(db, deps.vault, row.id)
  const credentials = `Basic ${Buffer.from(`${current?.login}:${current?.password}`).toString('base64')}`
  return {
    status: row.status,
    reason: row.status_reason,
    isDisconnecting: row.disconnecting_since !== null,
    hasToken: row.access_token_sealed !== null,
    apiKey: secrets?.apiKey?.replace(String(accountId), '') ?? null,
    isRegistered: own.map(({ id, isEnabled }) => String(id) === row.webhook_external_id && isEnabled === 1),
    hasItsCredentials: own.map(
      ({ login, password }) => login === current?.login && password === current?.password,
    ),
    isRotating: next !== undefined,
    hasNewCredentials: credentials !== before,
    foreign: webhooks
      .filter((webhook) => !own.includes(webhook))
      .map(({ url, isEnabled }) => [url, isEnabled]),
    listings: (await db.selectFrom('listings').selectAll().where('connection_id', '=', row.id).execute())
      .length,
  }
}

describe('an API process that is killed', () => {
  const all: Subject[] = []
  let halted: Subject[] = []
  const uninterrupted = new Map<Operation, Subject>()

  it('comes to a halt at every call of connecting, rotating and disconnecting', async () => {
    for (let next = 0; next < subjects.length; next += turnsAtATime) {
      const some = subjects.slice(next, next + turnsAtATime)
      all.push(...(await Promise.all(some.map((subject, index) => prepare(subject, next + index)))))
    }
    halted = all.filter(({ halt }) => halt !== undefined)
    for (const subject of all) if (subject.halt === undefined) uninterrupted.set(subject.operation, subject)
    await Promise.all(victims.map(({ process }) => process.until('api.listening')))
    const answers = all.map((subject, index) => perform(subject, victims[index % victims.length]?.url ?? ''))
    for (const [index, subject] of all.entries()) {
      if (subject.halt !== undefined) continue
      assertDone(subject, await answers[index])
      assert.equal(proxy.callsOf(subject.accountId), operations[subject.operation].calls, subject.operation)
    }
    await eventually(
      () => {
        const going = halted.filter(({ accountId }) => !proxy.isHalted(accountId))
        assert.deepEqual(going, [])
      },
      { timeoutMs: 30_000 },
    )
    for (const { process } of victims) process.kill('SIGKILL')
    for (const { process } of victims) assert.equal((await process.end()).signal, 'SIGKILL')
    for (const [index, { halt }] of all.entries()) {
      if (halt !== undefined) assert.equal(await answers[index], undefined)
    }
  })

  it('an API process that is killed leaves at most one webhook of a connection behind, and what it sends is accepted while it is rotated', async () => {
    for (const { accountId, operation, before } of halted) {
      const { webhooks } = await control.state(accountId)
      const own = webhooks.filter(({ url }) => url !== foreignUrl)
      assert.ok(own.length <= 1)
      if (operation !== 'rotate') continue
      const [registered] = own
      const present = `Basic ${Buffer.from(`${registered?.login}:${registered?.password}`).toString('base64')}`
      for (const authorization of [before, present]) {
        const answer = await fetch(registered?.url ?? '', {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: authorization ?? '' },
          body: JSON.stringify({ event: 'task.created', accountId, data: { id: 1 } }),
        })
        assert.equal(answer.status, 200)
        await answer.body?.cancel()
      }
    }
  })

  it('an API process that is killed is followed by another that ends as without the kill, with all other webhooks unchanged', async () => {
    // One process takes eight turns at a time.
    for (let next = 0; next < halted.length; next += turnsAtATime) {
      const some = halted.slice(next, next + turnsAtATime)
      await Promise.all(some.map(async (subject) => assertDone(subject, await perform(subject, system.url))))
    }
    for (const subject of halted) {
      const reference = uninterrupted.get(subject.operation)
      assert.ok(reference)
      const { call, when } = subject.halt ?? {}
      const where = `${subject.operation}, killed ${when} the answer to call ${call}`
      assert.deepEqual(await stateOf(subject), await stateOf(reference), where)
    }
    const expected = { connect: 1, 'connect again': 1, rotate: 1, disconnect: 0 }
    for (const [operation, reference] of uninterrupted) {
      const { isRegistered, hasItsCredentials, foreign } = await stateOf(reference)
      assert.deepEqual(isRegistered, Array(expected[operation]).fill(true))
      assert.deepEqual(hasItsCredentials, isRegistered)
      assert.deepEqual(foreign, [[foreignUrl, 0]])
    }
  })
})
