import type { TestContext } from 'node:test'
import { freePort } from '../../local/free-port.ts'
import { insertConnection } from '../../src/connections/connection-store.ts'
import { openDatabase } from '../../src/platform/db/database.ts'
import { createVault, generateKeyRingEntry, parseKeyRing } from '../../src/platform/vault/vault.ts'
import { ensureTenant } from '../../src/tenants/tenant-store.ts'
import { startProcess } from './spawned-process.ts'
import { createTestDatabase } from './test-database.ts'

const basic = `Basic ${Buffer.from('login:password').toString('base64')}`
/** A running process with a connection whose webhooks it takes. */
export async function startReceiving(t: TestContext, file: string, settings: Record<string, string> = {}) {
  const url = await createTestDatabase(t)
  const keys = generateKeyRingEntry('test')
  const port = await freePort()
  const db = openDatabase({ url, maxConnections: 3, applicationName: 'test' })
  t.after(() => db.destroy())
  const tenant = await ensureTenant(db, 'demo')
  const id = await insertConnection(db, createVault(parseKeyRing(keys)), {
    channel: 'hostaway',
    tenantId: tenant.id,
    accountId: '10001',
    autoImport: true,
    autoMapListings: false,
    webhookAuth: 'basic',
    alertingEmailAddress: null,
    webhookUrl: () => 'http://unused.example',
    apiKey: 'unused',
    webhookLogin: 'login',
    webhookPassword: 'password',
    webhookHmacSecret: null,
  })
  const process = startProcess(t, file, {
    DATABASE_URL: url,
    ENCRYPTION_KEYS: keys,
    PORT: String(port),
    METRICS_PORT: String(await freePort()),
    HOSTAWAY_API_URL: `http://127.0.0.1:${await freePort()}`,
    ...settings,
  })
  await process.until('api.listening')

  /** The id under which a webhook was stored; undefined where it was refused or the connection broke. */
  async function deliver(data: object = { id: 1 }, event = 'task.created'): Promise<string | undefined> {
    const response = await fetch(`http://127.0.0.1:${port}/webhooks/hostaway/${id}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: basic },
      body: JSON.stringify({ event, accountId: 10001, data }),
    }).catch(() => undefined)
    if (response?.status !== 200) {
      await response?.body?.cancel().catch(() => undefined)
      return undefined
    }
    return ((await response.json()) as { webhookId: string }).webhookId
  }
  return { process, db, deliver }
}
