import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { afterAll } from '../support/after-all.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { adminToken, startTestSystem, type TestConnection, type TestSystem } from '../support/test-system.ts'

type Entry = {
  actor: { id: string | null; name: string }
  action: string
  subject: string
  outcome: string
  status: number
  requestId: string
  detail: object
}
type Token = { id: string; token: string; expiresAt: string }

describe('who did it', () => {
  const context = afterAll()
  let system: TestSystem
  let connection: TestConnection

  before(async () => {
    system = await startTestSystem(context, { workers: false })
    connection = await system.connect()
  })

  const make = async (body: object, by?: string) =>
    (await system.api<Token>('POST', '/v1/tokens', { tenant: 'demo', ...body }, by)).body
  const audit = async (query: string, by?: string) => {
    const answer = await system.api<{ data: Entry[] }>('GET', `/v1/audit?${query}`, undefined, by)
    assert.equal(answer.status, 200, answer.text)
    return answer.body.data
  }

  it('every request that may change something leaves a trace, a refused one as well, and never a value', async () => {
    const owner = await make({ role: 'owner', name: 'olga' })
    const viewer = await make({ role: 'viewer', name: 'vito' })
    const path = `/v1/connections/${connection.id}`
    await system.api('PATCH', path, { webhookSecret: 'canary-secret-of-the-test' }, owner.token)
    await system.api('PATCH', path, { autoImport: 'yes' }, owner.token)
    await system.api('POST', `${path}/pause`, undefined, owner.token)
    await system.api('POST', `${path}/resume`, undefined, owner.token)
    assertProblem(await system.api('POST', `${path}/pause`, undefined, viewer.token), 403, 'FORBIDDEN')
    const entries = await audit(`actor=${owner.id}`, owner.token)
    assert.deepEqual(
      entries.map(({ action, outcome, status }) => [action, outcome, status]),
      [
        ['resumeConnection', 'done', 200],
        ['pauseConnection', 'done', 200],
        ['changeConnection', 'done', 200],
      ],
    )
    const [, , change] = entries
    assert.deepEqual(change?.actor, { kind: 'token', id: owner.id, name: 'olga', role: 'owner' })
    assert.deepEqual([change?.subject, change?.detail], [path, { fields: ['webhookSecret'] }])
    assert.deepEqual((await audit(`subject=${connection.id}&action=pauseConnection`)).length, 1)
    const rows = await system.db.selectFrom('audit_log').selectAll().execute()
    assert.ok(!JSON.stringify(rows).includes('canary-secret'))
    assert.ok(rows.every(({ outcome }) => outcome !== 'started'))
    assertProblem(await system.api('GET', '/v1/audit', undefined, viewer.token), 403, 'FORBIDDEN')
  })

  it('another tenant sees nothing of it, and what an admin does for a tenant is the tenant’s', async () => {
    await system.api('POST', '/v1/tenants', { slug: 'other', name: 'Other' })
    const made = await system.api<Token>('POST', '/v1/tokens', {
      tenant: 'other',
      role: 'owner',
      name: 'otto',
    })
    const entries = await audit('', made.body.token)
    assert.deepEqual(
      entries.map(({ action }) => action),
      ['createToken'],
    )
    assert.equal(entries[0]?.actor.name, 'admin')
  })

  it('a token ends by its date, tells when it was used, and takes with it what it made', async () => {
    const owner = await make({ role: 'owner', name: 'maker', expiresInDays: 30 })
    const days = (Date.parse(owner.expiresAt) - Date.now()) / 86_400_000
    assert.ok(days > 29.9 && days < 30.1)
    const child = await make({ role: 'owner', name: 'child' }, owner.token)
    const grandchild = await make({ role: 'viewer', name: 'grandchild' }, child.token)
    const status = async ({ token }: Token) =>
      (await system.api('GET', '/v1/bookings', undefined, token)).status
    assert.equal(await status(grandchild), 200)
    type Listed = {
      data: Array<{ id: string; createdBy: string | null; lastUsedAt: string | null; expiresAt: string }>
    }
    const { body } = await system.api<Listed>('GET', '/v1/tokens?limit=200')
    const listed = body.data.find(({ id }) => id === grandchild.id)
    assert.equal(listed?.createdBy, child.id)
    assert.notEqual(listed?.lastUsedAt, null)
    await system.api('DELETE', `/v1/tokens/${owner.id}`)
    assert.deepEqual([await status(owner), await status(child), await status(grandchild)], [401, 401, 401])

    const short = await make({ role: 'viewer', name: 'short', expiresInDays: 1 })
    await system.db
      .updateTable('api_tokens')
      .set({ expires_at: new Date(0) })
      .where('id', '=', short.id)
      .execute()
    assert.equal(await status(short), 401)
    for (const expiresInDays of [0, 4_000, '30']) {
      const refused = await system.api('POST', '/v1/tokens', {
        tenant: 'demo',
        role: 'viewer',
        name: 'x',
        expiresInDays,
      })
      assertProblem(refused, 422, 'VALIDATION_FAILED')
    }
  })
})

it('behind a proxy that is trusted the caller is who the proxy names, and else the proxy', async () => {
  const context = afterAll()
  for (const [trusted, ip] of [
    [undefined, '127.0.0.1'],
    ['127.0.0.0/8', '203.0.113.7'],
    ['1', '203.0.113.7'],
  ] as const) {
    const system = await startTestSystem(context, { workers: false, settings: { TRUST_PROXY: trusted } })
    await fetch(`${system.url}/v1/tenants`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${adminToken}`,
        'content-type': 'application/json',
        'x-forwarded-for': '203.0.113.7',
      },
      body: '{"slug":"proxied","name":"Proxied"}',
    })
    const { body } = await system.api<{ data: Array<{ ip: string }> }>('GET', '/v1/audit')
    assert.equal(body.data[0]?.ip, ip, trusted)
  }
})
