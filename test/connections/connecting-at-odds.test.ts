import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, it } from 'node:test'
import { readConnectionSecrets } from '../../src/connections/connection-secret-store.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { eventually } from '../support/eventually.ts'
import { type ConnectionView, useConnectFixture } from './connect-fixture.ts'

describe('connecting', { concurrency: 6 }, () => {
  const { system, newPair, connect, webhooksOf, storedOf } = useConnectFixture()

  const interruptions = {
    'the look at the webhooks': {
      kind: 'status',
      status: 500,
      method: 'GET',
      path: '/webhooks/unifiedWebhooks',
    },
    'the registration, before it was done': {
      kind: 'drop',
      method: 'POST',
      path: '/webhooks/unifiedWebhooks',
    },
    'the registration, after it was done': {
      kind: 'hang',
      effect: 'after',
      method: 'POST',
      path: '/webhooks/unifiedWebhooks',
    },
    'the listings': { kind: 'status', status: 503, method: 'GET', path: '/listings' },
  } as const
  for (const [where, fault] of Object.entries(interruptions)) {
    it(`connecting that was interrupted at ${where} is finished by the next try, with exactly one webhook`, async () => {
      const { accountId, tenant, request } = await newPair()
      await system().control.injectFault({ ...fault, accountId, count: 1 })
      assertProblem(await connect(request), 503, 'HOSTAWAY_UNAVAILABLE')
      const half = await storedOf(tenant)
      assert.equal(half?.status, 'connecting')

      const again = await connect(request)
      assert.deepEqual([again.status, again.body.id, again.body.status], [200, half.id, 'active'])
      const webhooks = await webhooksOf(accountId)
      assert.deepEqual(
        webhooks.map(({ id, url }) => [String(id), url]),
        [[again.body.webhook.id, again.body.webhook.url]],
      )
      // What Hostaway sends from now on must be what is expected here.
      const secrets = await readConnectionSecrets(system().db, system().deps.vault, half.id)
      assert.deepEqual(
        [webhooks[0]?.login, webhooks[0]?.password],
        [secrets?.webhookLogin, secrets?.webhookPassword],
      )
    })
  }

  it('several times at once creates one connection with one webhook', async () => {
    const { accountId, request } = await newPair()
    // Between looking and registering there is time enough for everybody to look.
    await system().control.injectFault({
      kind: 'latency',
      latencyMs: 150,
      accountId,
      method: 'POST',
      path: '/webhooks/unifiedWebhooks',
    })
    const answers = await Promise.all(Array.from({ length: 5 }, () => connect(request)))
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 200, 200, 201])
    assert.equal(new Set(answers.map(({ body }) => body.id)).size, 1)
    assert.ok(answers.every(({ body }) => body.status === 'active'))
    assert.equal((await webhooksOf(accountId)).length, 1)
  })

  it('connecting answers the ping of the registration, which arrives while it is still connecting', async () => {
    const { accountId, tenant, request } = await newPair()
    await system().control.injectFault({
      kind: 'latency',
      effect: 'after',
      latencyMs: 1_000,
      accountId,
      method: 'POST',
      path: '/webhooks/unifiedWebhooks',
    })
    const connecting = connect(request)
    await eventually(async () => {
      const [ping] = await system().control.deliveries({ accountId })
      assert.equal(ping?.state, 'delivered')
      assert.equal(ping.attempts[0]?.status, 200)
    })
    assert.equal((await storedOf(tenant))?.status, 'connecting')
    assert.equal((await connecting).status, 201)
  })

  for (const webhookAuth of ['hmac', 'basic+hmac'] as const) {
    it(`connecting with ${webhookAuth} shows the secret once, and what is signed with it is accepted`, async () => {
      const { request } = await newPair()
      const first = await connect({ ...request, webhookAuth })
      assert.equal(first.status, 201, first.text)
      const secret = first.body.webhook.secret ?? ''
      assert.ok(secret.length >= 32)
      for (const later of [await connect({ ...request, webhookAuth }), await show(first.body.id)]) {
        assert.equal(later.status, 200)
        assert.ok(!later.text.includes(secret))
      }
      const secrets = await readConnectionSecrets(system().db, system().deps.vault, first.body.id)
      const credentials = Buffer.from(`${secrets?.webhookLogin}:${secrets?.webhookPassword}`)
      const basic = webhookAuth === 'hmac' ? '' : `Basic ${credentials.toString('base64')}`
      assert.equal(await deliverSigned(first.body.webhook.url, secret, basic), 200)
      assert.equal(await deliverSigned(first.body.webhook.url, 'another-secret-altogether', basic), 401)
    })
  }

  it('connecting with a secret of one’s own does not repeat it; with basic there is none', async () => {
    const own = 'a-secret-of-ones-own-123'
    const hmac = await newPair()
    const answer = await connect({ ...hmac.request, webhookAuth: 'hmac', webhookSecret: own })
    assert.ok(!answer.text.includes(own))
    assert.equal(await deliverSigned(answer.body.webhook.url, own, ''), 200)
    const basic = await newPair()
    assert.ok(!('secret' in (await connect(basic.request)).body.webhook))
  })

  it('connecting shows the secret with the try that finishes where an earlier one was interrupted', async () => {
    const { accountId, request } = await newPair()
    await system().control.injectFault({
      kind: 'status',
      status: 500,
      accountId,
      path: '/listings',
      count: 1,
    })
    assertProblem(await connect({ ...request, webhookAuth: 'hmac' }), 503, 'HOSTAWAY_UNAVAILABLE')
    const { body } = await connect({ ...request, webhookAuth: 'hmac' })
    assert.equal(await deliverSigned(body.webhook.url, body.webhook.secret ?? '', ''), 200)
  })

  const show = (id: string) => system().api<ConnectionView>('GET', `/v1/connections/${id}`)

  async function deliverSigned(url: string, secret: string, authorization: string): Promise<number> {
    const body = JSON.stringify({ event: 'task.created', data: { id: 1 } })
    const timestamp = String(Math.floor(Date.now() / 1_000))
    const signature = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-hostaway-timestamp': timestamp,
        'x-hostaway-signature': signature,
        ...(authorization === '' ? {} : { authorization }),
      },
      body,
    })
    await response.body?.cancel()
    return response.status
  }
})
