import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { endWithParent } from '../local/end-with-parent.ts'
import { freePort } from '../local/free-port.ts'

export type DurableRedis = { url: string; pid: number; empty(): Promise<void>; stop(): Promise<void> }

const readyWithinMs = 10_000

/** A Redis with the settings of docker-compose.yml; undefined where no redis-server is on PATH. Ends with this process. */
export async function startDurableRedis(): Promise<DurableRedis | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'hostaway-bench-redis-'))
  const port = await freePort()
  const server = spawn(
    'redis-server',
    [
      ...['--bind', '127.0.0.1', '--port', String(port), '--dir', folder],
      ...['--appendonly', 'yes', '--maxmemory-policy', 'noeviction'],
    ],
    { detached: true, stdio: 'ignore' },
  )
  try {
    await once(server, 'spawn')
  } catch {
    await rm(folder, { recursive: true, force: true })
    return undefined
  }
  server.unref()
  const pid = server.pid ?? 0
  const release = endWithParent(pid, folder)
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 50, maxRetriesPerRequest: null })
  client.on('error', () => {})
  const ready = await Promise.race([client.ping(), pause(readyWithinMs, undefined, { ref: false })])
  if (ready !== 'PONG') throw new Error('redis-server did not answer')
  return {
    url: `redis://127.0.0.1:${port}`,
    pid,
    async empty() {
      await client.flushall()
    },
    async stop() {
      client.disconnect()
      server.ref()
      const ended = once(server, 'exit')
      server.kill('SIGTERM')
      await ended
      await rm(folder, { recursive: true, force: true })
      release()
    },
  }
}
