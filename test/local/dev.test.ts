import assert from 'node:assert/strict'
import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { freePort } from '../../local/free-port.ts'
import { generateKeyRingEntry } from '../../src/platform/vault/vault.ts'
import { eventually } from '../support/eventually.ts'
import { startProcess } from '../support/spawned-process.ts'
import { createTestDatabase } from '../support/test-database.ts'

const watched = join(import.meta.dirname, '../../src/app.ts')

test('npm run dev restarts on a change and ends cleanly on a signal', async (t) => {
  const dev = startProcess(t, 'local/dev.ts', {
    DATABASE_URL: await createTestDatabase(t),
    ENCRYPTION_KEYS: generateKeyRingEntry('test'),
    PORT: String(await freePort()),
    METRICS_PORT: String(await freePort()),
  })
  // The watcher writes plain lines between the events.
  const times = (message: string) => dev.stdout().split(`"msg":"${message}"`).length - 1
  const until = (message: string, count: number) =>
    eventually(() => assert.equal(times(message), count, dev.stdout()), { timeoutMs: 60_000 })

  await until('api.listening', 1)
  await utimes(watched, new Date(), new Date())
  await until('api.listening', 2)
  assert.equal(times('process.closed'), 1)
  dev.kill('SIGINT')
  const { code, stderr } = await dev.end()
  assert.deepEqual([code, stderr], [0, ''])
  assert.equal(times('process.closed'), 2)
})
