import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { post, signature } from '../support/ingress.ts'
import { startTestSystem } from '../support/test-system.ts'

const secret = 'the-secret-of-the-gateway'
const system = await startTestSystem({ after }, { workers: false })
const connection = await system.connect()
const path = `/v1/connections/${connection.id}`

async function statusOf(by: { basic: boolean; key?: string }): Promise<number> {
  const body = JSON.stringify({ event: 'task.created', accountId: connection.accountId, data: { id: 1 } })
  const { status } = await post(connection.webhookUrl, body, {
    'content-type': 'application/json',
    ...(by.basic ? { authorization: connection.basic } : {}),
    ...(by.key === undefined ? {} : signature(by.key, body)),
  })
  return status
}

async function change(request: Record<string, unknown>): Promise<void> {
  // A process that has just looked remembers what it saw.
  await statusOf({ basic: true })
  const answer = await system.api('PATCH', path, request)
  assert.equal(answer.status, 200, answer.text)
}

// Hostaway does not come again after a 401, so the first webhook after the answer counts.
describe('webhooks are taken by the mode of the connection from the moment the change is answered', () => {
  it('a connection whose mode became hmac takes signed webhooks alone', async () => {
    await change({ webhookAuth: 'hmac', webhookSecret: secret })
    assert.equal(await statusOf({ basic: false, key: secret }), 200)
    assert.equal(await statusOf({ basic: true }), 401)
  })

  it('a connection whose mode became basic+hmac takes webhooks with both alone', async () => {
    await change({ webhookAuth: 'basic+hmac' })
    assert.equal(await statusOf({ basic: false, key: secret }), 401)
    assert.equal(await statusOf({ basic: true, key: secret }), 200)
  })

  it('webhooks are accepted with a replaced secret and with the new one from the moment the change is answered', async () => {
    await change({ webhookSecret: 'another-secret-of-the-gateway' })
    assert.equal(await statusOf({ basic: true, key: 'another-secret-of-the-gateway' }), 200)
    assert.equal(await statusOf({ basic: true, key: secret }), 200)
  })

  it('webhooks are accepted with a secret made by rotating from the moment the rotation is answered', async () => {
    const answer = await system.api<{ webhook: { secret: string } }>(
      'POST',
      `${path}/rotate-webhook-credentials`,
      {},
    )
    const { webhooks } = await system.control.state(connection.accountId)
    const [{ login, password } = {}] = webhooks
    connection.basic = `Basic ${Buffer.from(`${login}:${password}`).toString('base64')}`
    assert.equal(await statusOf({ basic: true, key: answer.body.webhook.secret }), 200)
  })

  it('webhooks are accepted with Basic alone from the moment the mode is basic again', async () => {
    await change({ webhookAuth: 'basic' })
    assert.equal(await statusOf({ basic: true }), 200)
  })
})
