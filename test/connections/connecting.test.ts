import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readConnectionSecrets } from '../../src/connections/connection-secret-store.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { callHostaway } from '../support/hostaway-account.ts'
import { startTestSystem } from '../support/test-system.ts'
import { useConnectFixture } from './connect-fixture.ts'

// Every exchange of a key takes a second, so the tests run side by side, each on an account of its own.
describe('connecting a tenant', { concurrency: 6 }, () => {
  const { system, newPair, connect, webhooksOf, storedOf } = useConnectFixture()

  it('registers one webhook with credentials of its own, maps the listings and is active', async () => {
    const { accountId, tenant, request } = await newPair()
    const answer = await connect({ ...request, alertingEmailAddress: 'ops@tvl.example' })
    assert.equal(answer.status, 201, answer.text)
    const { id, webhook, status } = answer.body
    assert.deepEqual(
      [answer.body.tenant, answer.body.accountId, status],
      [tenant, String(accountId), 'active'],
    )
    assert.equal(webhook.url, `${system().config.PUBLIC_URL}/webhooks/hostaway/${id}`)
    const [registered, ...others] = await webhooksOf(accountId)
    assert.deepEqual(others, [])
    assert.deepEqual(
      [String(registered?.id), registered?.url, registered?.alertingEmailAddress, registered?.isEnabled],
      [webhook.id, webhook.url, 'ops@tvl.example', 1],
    )
    assert.ok(registered?.login && (registered.password?.length ?? 0) >= 32)
    const { body } = await system().api<{ data: Array<{ unitId: string; listingId: string }> }>(
      'GET',
      `/v1/connections/${id}/listings`,
    )
    assert.deepEqual(
      body.data.map(({ unitId, listingId }) => unitId === `hostaway-${listingId}`),
      [true],
    )
  })

  it('connecting a tenant leaves the listings without a unit where they are not to be mapped', async () => {
    const { request } = await newPair()
    const { body } = await connect({
      ...request,
      accountId: String(request.accountId),
      autoMapListings: false,
    })
    const listings = await system().api<{ data: Array<{ unitId: null }> }>(
      'GET',
      `/v1/connections/${body.id}/listings`,
    )
    assert.deepEqual(
      listings.body.data.map(({ unitId }) => unitId),
      [null],
    )
  })

  it('one account has one id, however many zeros it is sent with', async () => {
    const { request, accountId } = await newPair()
    const { body, text } = await connect({ ...request, accountId: `00${accountId}` })
    assert.equal(body.accountId, String(accountId), text)
  })

  it('connecting a tenant with a wrong key is 422 and stores nothing', async () => {
    const { request, tenant, accountId } = await newPair()
    const answer = await connect({ ...request, apiKey: 'not-the-key' })
    assertProblem(answer, 422, 'HOSTAWAY_CREDENTIALS_REJECTED')
    assert.equal(await storedOf(tenant), undefined)
    assert.deepEqual(await webhooksOf(accountId), [])
  })

  it('connecting a tenant with an account that Hostaway does not know is 422 and stores nothing', async () => {
    const { request, tenant } = await newPair()
    assertProblem(await connect({ ...request, accountId: 99 }), 422, 'HOSTAWAY_CREDENTIALS_REJECTED')
    assert.equal(await storedOf(tenant), undefined)
  })

  const away = {
    'answers 500': { kind: 'status', status: 500 },
    'answers 503': { kind: 'status', status: 503 },
    'refuses for rate': { kind: 'status', status: 429, retryAfterSeconds: 60 },
    'breaks the connection off': { kind: 'drop' },
    'does not answer in time': { kind: 'hang' },
    'answers with a web page': { kind: 'malformed', malformation: 'html' },
    'answers with half a body': { kind: 'malformed', malformation: 'truncated' },
  } as const
  for (const [what, fault] of Object.entries(away)) {
    it(`connecting a tenant while Hostaway ${what} is 503 and stores nothing`, async () => {
      const { accountId, request, tenant } = await newPair()
      await system().control.injectFault({ ...fault, accountId, path: '/accessTokens' })
      const problem = assertProblem(await connect(request), 503, 'HOSTAWAY_UNAVAILABLE')
      assert.doesNotMatch(problem.detail, new RegExp(request.apiKey))
      assert.equal(await storedOf(tenant), undefined)
    })
  }

  it('again replaces the key, keeps the webhook and leaves the webhooks of others alone', async () => {
    const { accountId, tenant, request } = await newPair()
    const first = await connect(request)
    await callHostaway(system().sandbox.apiUrl, request, {
      method: 'POST',
      path: '/webhooks/unifiedWebhooks',
      body: { isEnabled: 1, url: `${system().url}/healthz` },
    })
    const before = await webhooksOf(accountId)
    assert.equal(before.length, 2)

    await system().control.changeApiKey(accountId, 'the-next-key')
    const wrong = await connect(request)
    assertProblem(wrong, 422, 'HOSTAWAY_CREDENTIALS_REJECTED')
    assert.deepEqual((await storedOf(tenant))?.key_set_at.toISOString(), first.body.keySetAt)

    const second = await connect({ ...request, apiKey: 'the-next-key' })
    assert.equal(second.status, 200, second.text)
    assert.deepEqual([second.body.id, second.body.webhook], [first.body.id, first.body.webhook])
    assert.ok(second.body.keySetAt > first.body.keySetAt)
    const secrets = await readConnectionSecrets(system().db, system().deps.vault, first.body.id)
    assert.equal(secrets?.apiKey, 'the-next-key')
    assert.deepEqual(await webhooksOf(accountId), before)
  })

  it('connecting a tenant to an account that another tenant has is 409, and a wrong key tells nothing of that', async () => {
    const { request } = await newPair()
    const other = await newPair()
    await connect(request)
    const taken = { ...request, tenant: other.tenant }
    assertProblem(await connect(taken), 409, 'ACCOUNT_ALREADY_CONNECTED')
    assertProblem(await connect({ ...taken, apiKey: 'guessed' }), 422, 'HOSTAWAY_CREDENTIALS_REJECTED')
    assert.equal(await storedOf(other.tenant), undefined)
  })

  it('connecting a tenant that is connected to another account is 409', async () => {
    const { request } = await newPair()
    const other = await newPair()
    await connect(request)
    const answer = await connect({ ...other.request, tenant: request.tenant })
    assertProblem(answer, 409, 'TENANT_ALREADY_CONNECTED')
  })
})

it('waits until a token may be used, which at Hostaway is a second after its issue', async (t) => {
  const system = await startTestSystem(t, { workers: false, sandbox: { tokenDelayMs: 1_000 } })
  await system.connect()
  const refused = await system.control.calls({ status: 403 })
  assert.deepEqual(refused, [])
})
