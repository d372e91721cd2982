import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '../../..')

test('a process that ends writes its last lines, even while the thread that writes them is busy', async () => {
  const script = `
    import { pbkdf2 } from 'node:crypto'
    import { createLogger } from './src/platform/telemetry/logger.ts'
    import { shutDownOn } from './src/platform/process/shutdown.ts'
    const log = createLogger({ level: 'info', role: 'test' })
    const shutdown = shutDownOn(() => log, async () => {})
    pbkdf2('busy', 'thread', 100_000, 64, 'sha512', () => {})
    await shutdown.end('test', 0)
  `
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    cwd: root,
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
  })
  const messages = stdout.trim().split('\n')
  assert.deepEqual(
    messages.map((line) => (JSON.parse(line) as { msg: string }).msg),
    ['process.closing', 'process.closed'],
  )
})
