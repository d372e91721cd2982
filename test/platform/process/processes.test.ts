import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { freePort } from '../../../local/free-port.ts'
import { generateKeyRingEntry } from '../../../src/platform/vault/vault.ts'
import { startSecretManager } from '../../support/secret-manager.ts'
import { startProcess } from '../../support/spawned-process.ts'
import { createTestDatabase, databaseUrl, runOnServer } from '../../support/test-database.ts'

const api = 'src/server.ts'
const worker = 'workers/main.ts'
const together = 'local/start.ts'

async function settingsOf(context: TestContext): Promise<Record<string, string>> {
  return {
    DATABASE_URL: await createTestDatabase(context),
    ENCRYPTION_KEYS: generateKeyRingEntry('test'),
    PORT: String(await freePort()),
    METRICS_PORT: String(await freePort()),
  }
}

describe('a process', { concurrency: 2 }, () => {
  for (const file of [api, worker, together]) {
    it(`(${file}) prints every problem of its settings and ends with 1`, async (t) => {
      const process = startProcess(t, file, {
        DATABASE_URL: 'mysql://localhost',
        ENCRYPTION_KEYS: 'nonsense',
        PORT: 'abc',
        LOG_LEVEL: 'loud',
      })
      const { code, stdout, stderr } = await process.end()
      assert.equal(code, 1)
      assert.equal(stdout, '')
      for (const name of ['DATABASE_URL', 'ENCRYPTION_KEYS', 'PORT', 'LOG_LEVEL']) {
        assert.match(stderr, new RegExp(`- ${name}`), name)
      }
      assert.doesNotMatch(stderr, /\n\s+at /)
    })
  }

  for (const file of [api, worker]) {
    it(`(${file}) refuses a database without the newest schema in a sentence`, async (t) => {
      const name = `test_${randomBytes(8).toString('hex')}`
      await runOnServer(`create database ${name}`)
      t.after(() => runOnServer(`drop database if exists ${name} with (force)`))
      const settings = { ...(await settingsOf(t)), DATABASE_URL: databaseUrl(name) }
      const { code, stderr } = await startProcess(t, file, settings).end()
      assert.equal(code, 1)
      assert.match(stderr, /^The database lacks 0001_inbound.*; run `npm run migrate` first\.\n$/)
    })
  }

  const ports = [
    [api, 'PORT'],
    [worker, 'METRICS_PORT'],
    [together, 'PORT'],
  ] as const
  for (const [file, setting] of ports) {
    it(`(${file}) names ${setting} where that port is taken`, async (t) => {
      const taken = createServer().listen(0, '127.0.0.1')
      await once(taken, 'listening')
      t.after(() => taken.close())
      const { port } = taken.address() as { port: number }
      const settings = { ...(await settingsOf(t)), [setting]: String(port) }
      const { code, stderr } = await startProcess(t, file, settings).end()
      assert.equal(code, 1)
      assert.equal(stderr, `Port ${port} on 127.0.0.1 is taken; set ${setting} to a free one.\n`)
    })
  }

  for (const [file] of ports) {
    it(`(${file}) names HOST where the machine does not have that address`, async (t) => {
      const settings = { ...(await settingsOf(t)), HOST: '192.0.2.1' }
      const { code, stderr } = await startProcess(t, file, settings).end()
      assert.equal(code, 1)
      assert.equal(stderr, 'This machine has no address 192.0.2.1; set HOST to one that it has.\n')
    })
  }

  it('a process says why it could not start where the database cannot be reached, without its password', async (t) => {
    const settings = {
      ...(await settingsOf(t)),
      DATABASE_URL: `postgres://user:pass-of-the-database@localhost:${await freePort()}/x`,
    }
    const { code, stdout, stderr } = await startProcess(t, api, settings).end()
    assert.equal(code, 1)
    assert.match(stdout, /ECONNREFUSED/)
    assert.doesNotMatch(stdout + stderr, /pass-of-the-database/)
  })

  const endings = [
    [api, 'SIGTERM'],
    [worker, 'SIGINT'],
    [together, 'SIGTERM'],
  ] as const
  for (const [file, signal] of endings) {
    it(`(${file}) logs one JSON line per event and ends with 0 on ${signal}, its keys from a secret manager`, async (t) => {
      const settings = await settingsOf(t)
      const { secrets, environment } = await startSecretManager(t)
      secrets.set('keys', settings.ENCRYPTION_KEYS ?? '')
      const process = startProcess(t, file, {
        ...settings,
        ...environment,
        ENCRYPTION_KEYS: 'gcp-sm://projects/test/secrets/keys',
      })
      await process.until(file === worker ? 'worker.started' : 'api.listening')
      process.kill(signal)
      const { code, stderr } = await process.end()
      assert.deepEqual([code, stderr], [0, ''])
      const events = process.events()
      for (const { level, time, role, msg } of events) {
        assert.ok([level, time, role, msg].every((value) => typeof value === 'string'))
      }
      assert.deepEqual([events[0]?.msg, events.at(-1)?.msg], ['process.starting', 'process.closed'])
    })
  }

  it('a process of workers serves its health and metrics on METRICS_PORT', async (t) => {
    const settings = await settingsOf(t)
    await startProcess(t, worker, settings).until('worker.started')
    const ask = (path: string) => fetch(`http://127.0.0.1:${settings.METRICS_PORT}${path}`)
    assert.deepEqual(await (await ask('/healthz')).json(), { status: 'ok' })
    assert.deepEqual(await (await ask('/readyz')).json(), { status: 'ready', reasons: [] })
    assert.match(await (await ask('/metrics')).text(), /^hostaway_webhooks_received_total\{/m)
    assert.equal((await ask('/v1/bookings')).status, 404)
  })
})
