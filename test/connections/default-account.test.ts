import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { freePort } from '../../local/free-port.ts'
import { createControlClient } from '../../sandbox/control-client.ts'
import { startSandbox } from '../../sandbox/start-sandbox.ts'
import { generateKeyRingEntry } from '../../src/platform/vault/vault.ts'
import { eventually } from '../support/eventually.ts'
import { startProcess } from '../support/spawned-process.ts'
import { createTestDatabase } from '../support/test-database.ts'

const accountId = 10_001
const apiKey = 'sandbox-key-10001'
const webhookSecret = 'secret-of-the-settings'
const adminToken = 'admin-token-of-the-test'

type Connections = { data: Array<{ id: string; tenant: string; status: string; webhook: { url: string } }> }

async function prepare(t: TestContext) {
  const sandbox = await startSandbox({
    port: 0,
    rateLimitProfile: 'off',
    timeScale: 0.001,
    tokenDelayMs: 1_000,
  })
  t.after(() => sandbox.close())
  const port = await freePort()
  const settings = {
    DATABASE_URL: await createTestDatabase(t),
    ENCRYPTION_KEYS: generateKeyRingEntry('test'),
    PORT: String(port),
    METRICS_PORT: String(await freePort()),
    ADMIN_API_TOKEN: adminToken,
    HOSTAWAY_API_URL: sandbox.apiUrl,
    HOSTAWAY_ACCOUNT_ID: String(accountId),
    HOSTAWAY_API_KEY: apiKey,
    HOSTAWAY_WEBHOOK_SECRET: webhookSecret,
  }
  async function connections(): Promise<Connections['data']> {
    const response = await fetch(`http://127.0.0.1:${port}/v1/connections`, {
      headers: { authorization: `Bearer ${adminToken}` },
    })
    return ((await response.json()) as Connections).data
  }
  return { settings, control: createControlClient(sandbox.controlUrl), connections }
}

describe('the account of the settings', { concurrency: 2 }, () => {
  it('the account of the settings is connected to the tenant default at the start, and left as it is at the next one', async (t) => {
    const { settings, control, connections } = await prepare(t)
    const first = startProcess(t, 'src/server.ts', settings)
    await first.until('connection.default_connected')
    const found = await connections()
    assert.deepEqual(
      found.map(({ tenant, status }) => [tenant, status]),
      [['default', 'active']],
    )
    first.kill('SIGTERM')
    const { code, stdout } = await first.end()
    assert.equal(code, 0)
    assert.ok(!stdout.includes(apiKey) && !stdout.includes(webhookSecret))

    const calls = (await control.calls()).length
    const second = startProcess(t, 'src/server.ts', settings)
    await second.until('api.listening')
    assert.deepEqual(await connections(), found)
    second.kill('SIGTERM')
    assert.equal((await second.end()).code, 0)
    assert.equal((await control.calls()).length, calls)
  })

  it('gets the key that the settings have at the next start, and keeps its webhook', async (t) => {
    const { settings, control, connections } = await prepare(t)
    const first = startProcess(t, 'src/server.ts', settings)
    await first.until('connection.default_connected')
    const [before] = await connections()
    first.kill('SIGTERM')
    await first.end()
    await control.changeApiKey(accountId, 'the-next-key')
    const next = { ...settings, HOSTAWAY_API_KEY: 'the-next-key' }
    await startProcess(t, 'src/server.ts', next).until('connection.default_connected')
    const [after] = await connections()
    assert.deepEqual([after?.id, after?.webhook], [before?.id, before?.webhook])
    assert.deepEqual(
      (await control.state(accountId)).webhooks.map(({ url }) => url),
      [after?.webhook.url],
    )
  })

  it('the account of the settings takes webhooks that are signed with the secret, and those with HTTP Basic as well', async (t) => {
    const { settings, control, connections } = await prepare(t)
    await startProcess(t, 'src/server.ts', settings).until('connection.default_connected')
    const [connection] = await connections()
    const body = '{"event":"task.created","data":{"id":1}}'
    const timestamp = String(Math.floor(Date.now() / 1_000))
    const signed = await fetch(connection?.webhook.url ?? '', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-hostaway-timestamp': timestamp,
        'x-hostaway-signature': createHmac('sha256', webhookSecret)
          .update(`${timestamp}.${body}`)
          .digest('hex'),
      },
      body,
    })
    assert.equal(signed.status, 200)
    await control.book(accountId)
    await control.whenDelivered()
    const states = (await control.deliveries({ accountId })).map(({ state }) => state)
    assert.ok(states.length > 1 && states.every((state) => state === 'delivered'), states.join())
  })

  it('the account of the settings is connected as soon as Hostaway is back where it was away at first', async (t) => {
    const { settings, control, connections } = await prepare(t)
    await control.injectFault({ kind: 'down' })
    const process = startProcess(t, 'src/server.ts', settings)
    const failed = await process.until('connection.default_failed')
    assert.equal(failed.level, 'error')
    assert.deepEqual(await connections(), [])
    await control.clearFaults()
    await process.until('connection.default_connected')
    await eventually(async () => assert.equal((await connections())[0]?.status, 'active'))
  })

  it('whose key is wrong is reported once, and the process goes on', async (t) => {
    const { settings, control, connections } = await prepare(t)
    const process = startProcess(t, 'src/server.ts', { ...settings, HOSTAWAY_API_KEY: 'not-the-key' })
    await process.until('connection.default_failed')
    assert.deepEqual(await connections(), [])
    assert.equal((await control.calls({ path: '/accessTokens' })).length, 1)
    assert.doesNotMatch(process.stdout(), /not-the-key/)
    process.kill('SIGTERM')
    assert.equal((await process.end()).code, 0)
  })
})
