import assert from 'node:assert/strict'
import { after, describe, it, type TestContext } from 'node:test'
import type { KyselyPlugin } from 'kysely'
import { createApp } from '../../src/app.ts'
import { createConnectionCache } from '../../src/connections/connection-cache.ts'
import { insertConnection } from '../../src/connections/connection-store.ts'
import type { ConnectionRow } from '../../src/platform/db/tables.ts'
import { createVault, generateKeyRingEntry, parseKeyRing } from '../../src/platform/vault/vault.ts'
import { ensureTenant } from '../../src/tenants/tenant-store.ts'
import { eventually } from '../support/eventually.ts'
import { countWebhooks, post, signature } from '../support/ingress.ts'
import { startTestSystem } from '../support/test-system.ts'

const system = await startTestSystem({ after }, { workers: false })
const { vault } = system.deps
const shared = `${system.url}/webhooks/hostaway`
const json = { 'content-type': 'application/json' }
const password = 'first password'
let accounts = 20_000

const basic = (secret: string) => `Basic ${Buffer.from(`user:${secret}`).toString('base64')}`

async function addConnection(account?: string) {
  accounts += 1
  const accountId = account ?? String(accounts)
  const tenant = await ensureTenant(system.db, `tenant-${accounts}`)
  const id = await insertConnection(system.db, vault, {
    channel: 'hostaway',
    tenantId: tenant.id,
    accountId,
    autoImport: true,
    autoMapListings: true,
    webhookAuth: 'basic',
    alertingEmailAddress: null,
    webhookUrl: (connectionId) => `${shared}/${connectionId}`,
    apiKey: 'key',
    webhookLogin: 'user',
    webhookPassword: password,
    webhookHmacSecret: null,
  })
  if (id === undefined) throw new Error('the tenant has a connection already')
  return { id, accountId, url: `${shared}/${id}` }
}

async function change(id: string, values: Partial<Pick<ConnectionRow, 'status' | 'webhook_auth'>>) {
  await system.db.updateTable('hostaway_connections').set(values).where('id', '=', id).execute()
}

async function sealInto(
  id: string,
  column: 'webhook_password_sealed' | 'webhook_hmac_secret_sealed',
  secret: string,
  sealer = vault,
) {
  const sealed = sealer.seal(secret, { table: 'hostaway_connections', column, row: id })
  await system.db
    .updateTable('hostaway_connections')
    .set({ [column]: sealed })
    .where('id', '=', id)
    .execute()
}

/** The ingress' database with a record of the kinds of statements that were made. */
function countedDatabase() {
  const statements: string[] = []
  const plugin: KyselyPlugin = {
    transformQuery({ node }) {
      statements.push(node.kind)
      return node
    },
    transformResult: async ({ result }) => result,
  }
  const count = (kind: string) => statements.filter((name) => name === kind).length
  return { db: system.deps.ingressDb.withPlugin(plugin), statements, count }
}

function openCache(t: TestContext) {
  const counted = countedDatabase()
  const cache = createConnectionCache({ db: counted.db, vault, log: system.deps.log })
  t.after(() => cache.close())
  return { cache, ...counted }
}

const thousand = <T>(ask: () => Promise<T>) => Promise.all(Array.from({ length: 1_000 }, ask))

// A lookup a second after a change must see it, however slow this machine is.
const withinASecond = (check: () => Promise<void>) => eventually(check, { timeoutMs: 1_000 })

async function answers(url: string, headers: Record<string, string>, status: number, body: string) {
  assert.equal((await post(url, body, { ...json, ...headers })).status, status)
}

describe('the cache of connections', () => {
  it('looks a connection up once, however many ask for it at the same time', async (t) => {
    const { id, accountId } = await addConnection()
    const { cache, statements } = openCache(t)
    const found = await thousand(() => cache.byId(id))
    assert.equal(statements.length, 1)
    assert.deepEqual(new Set(found.map((receiver) => receiver?.accountId)), new Set([accountId]))
    await thousand(() => cache.byId(id.toUpperCase()))
    assert.equal(statements.length, 1)
  })

  it('looks an account up once, and then no more than its connection', async (t) => {
    const { id, accountId } = await addConnection()
    const { cache, statements } = openCache(t)
    const found = await thousand(() => cache.byAccount('hostaway', accountId))
    assert.equal(statements.length, 1)
    assert.deepEqual(new Set(found.map((receiver) => receiver?.id)), new Set([id]))
    await thousand(() => cache.byAccount('hostaway', accountId))
    await thousand(() => cache.byAccount('hostaway', accountId))
    assert.equal(statements.length, 2)
  })

  it('remembers missing connections, and looks up no text that is no id', async (t) => {
    const { cache, statements } = openCache(t)
    const stranger = crypto.randomUUID()
    assert.deepEqual(new Set(await thousand(() => cache.byId(stranger))), new Set([undefined]))
    assert.deepEqual(new Set(await thousand(() => cache.byAccount('hostaway', '77'))), new Set([undefined]))
    await thousand(() => cache.byId(stranger))
    await thousand(() => cache.byAccount('hostaway', '77'))
    assert.equal(statements.length, 2)
    for (const text of ['', 'nobody', "' or true --", `${stranger}0`]) {
      assert.equal(await cache.byId(text), undefined)
    }
    assert.equal(statements.length, 2)
  })
})

it('webhooks on the way cost no query each', async (t) => {
  const { id, accountId } = await addConnection()
  const { db, count, statements } = countedDatabase()
  const app = await createApp({ ...system.deps, ingressDb: db })
  t.after(() => app.close())
  const before = await countWebhooks(system)
  const webhooks = 500
  const statuses = await Promise.all(
    Array.from({ length: webhooks }, async (_, index) => {
      const url = index % 2 === 0 ? '/webhooks/hostaway' : `/webhooks/hostaway/${id}`
      const payload = `{"event":"task.created","accountId":${accountId}}`
      const headers = { ...json, authorization: basic(password) }
      return (await app.inject({ method: 'POST', url, payload, headers })).statusCode
    }),
  )
  assert.deepEqual(new Set(statuses), new Set([200]))
  assert.equal(await countWebhooks(system), before + webhooks)
  const selects = count('SelectQueryNode')
  const inserts = count('RawNode')
  assert.equal(statements.length, selects + inserts + count('UpdateQueryNode'))
  assert.ok(inserts >= 1 && inserts <= 50, `${inserts} inserts`)
  assert.ok(selects <= 20, `${selects} look-ups`)
  assert.ok(count('UpdateQueryNode') <= 20)
})

for (const route of ['the address of the connection', 'the address of all accounts']) {
  describe(`within a second, at ${route}`, () => {
    async function known() {
      const connection = await addConnection()
      const url = route === 'the address of the connection' ? connection.url : shared
      const body = `{"event":"task.created","accountId":${connection.accountId}}`
      const expect = (headers: Record<string, string>, status: number) => answers(url, headers, status, body)
      // The first finds the account, the second its connection; from then on both are remembered.
      for (let time = 0; time < 3; time += 1) await expect({ authorization: basic(password) }, 200)
      return { ...connection, body, expect }
    }

    it('new credentials are taken and the old ones are not', async () => {
      const { id, expect } = await known()
      await sealInto(id, 'webhook_password_sealed', 'second password')
      await withinASecond(async () => {
        await expect({ authorization: basic('second password') }, 200)
        await expect({ authorization: basic(password) }, 401)
      })
    })

    it('another way to authenticate holds', async () => {
      const { id, body, expect } = await known()
      await sealInto(id, 'webhook_hmac_secret_sealed', 'a shared secret')
      await change(id, { webhook_auth: 'hmac' })
      await withinASecond(async () => {
        await expect(signature('a shared secret', body), 200)
        await expect({ authorization: basic(password) }, 401)
      })
    })

    it('who disconnects is not let in any more, who pauses or needs a new key is', async () => {
      const { id, expect } = await known()
      const authorization = basic(password)
      for (const [status, answer] of [
        ['disconnected', 401],
        ['paused', 200],
        ['disconnected', 401],
        ['needs_reauth', 200],
      ] as const) {
        await change(id, { status })
        await withinASecond(() => expect({ authorization }, answer))
      }
    })
  })
}

it('a connection that was asked for before it existed is found within a second', async () => {
  accounts += 1
  const accountId = String(accounts)
  const body = `{"event":"task.created","accountId":${accountId}}`
  const authorization = basic(password)
  await answers(shared, { authorization }, 401, body)
  await addConnection(accountId)
  await withinASecond(() => answers(shared, { authorization }, 200, body))
})

it('an account that moves to another tenant brings its webhooks along within a second', async () => {
  const first = await addConnection()
  const body = `{"event":"task.created","accountId":${first.accountId}}`
  const authorization = basic(password)
  for (let time = 0; time < 3; time += 1) await answers(shared, { authorization }, 200, body)
  await change(first.id, { status: 'disconnected' })
  const second = await addConnection(first.accountId)
  await withinASecond(async () => {
    const { body: answer } = await post(shared, body, { ...json, authorization })
    const row = await system.db
      .selectFrom('webhook_logs')
      .select('connection_id')
      .where('id', '=', String(answer.webhookId))
      .executeTakeFirst()
    assert.equal(row?.connection_id, second.id)
  })
})

it('a connection whose secrets cannot be opened comes again later, and harms no other', async () => {
  const stranger = createVault(parseKeyRing(generateKeyRingEntry('stranger')))
  const [broken, sound] = [await addConnection(), await addConnection()]
  const body = '{"event":"task.created"}'
  const authorization = basic(password)
  for (const { url } of [broken, sound]) await answers(url, { authorization }, 200, body)
  await sealInto(broken.id, 'webhook_password_sealed', password, stranger)
  await withinASecond(() => answers(broken.url, { authorization }, 503, body))
  await sealInto(sound.id, 'webhook_password_sealed', 'second password')
  await withinASecond(() => answers(sound.url, { authorization: basic('second password') }, 200, body))
  await answers(broken.url, { authorization: basic('wrong') }, 503, body)
  await sealInto(broken.id, 'webhook_password_sealed', password)
  await withinASecond(() => answers(broken.url, { authorization }, 200, body))
})
