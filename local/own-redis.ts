import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { endWithParent } from './end-with-parent.ts'
import { freePort } from './free-port.ts'

const readyWithinMs = 10_000

export type OwnRedis = { url: string; stop(): Promise<void> }

/** Runs a Redis that keeps nothing, on the given port or a free one; `undefined` where no redis-server is on PATH. It ends with this process, however that ends. */
export async function startOwnRedis({ port: wanted }: { port?: number } = {}): Promise<OwnRedis | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'hostaway-redis-'))
  const port = wanted ?? (await freePort())
  const options = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', '']
  const server = spawn('redis-server', [...options, '--appendonly', 'no'], {
    detached: true,
    stdio: 'ignore',
  })
  try {
    await once(server, 'spawn')
  } catch {
    await rm(folder, { recursive: true, force: true })
    return undefined
  }
  server.unref()
  const ended = once(server, 'exit')
  const release = endWithParent(server.pid ?? 0, folder)
  const stop = async () => {
    server.ref()
    server.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true, force: true })
    release()
  }
  try {
    await untilReady(port, () => {
      if (server.exitCode !== null) throw new Error(`redis-server ended with code ${server.exitCode}.`)
    })
  } catch (error) {
    await stop()
    throw error
  }
  return { url: `redis://127.0.0.1:${port}`, stop }
}

async function untilReady(port: number, checkAlive: () => void): Promise<void> {
  for (const deadline = Date.now() + readyWithinMs; ; ) {
    checkAlive()
    try {
      if ((await askRedis(port, 'PING')).startsWith('+PONG')) return
    } catch (error) {
      if (Date.now() >= deadline) throw error
    }
    await pause(25)
  }
}

/** Sends one command of plain words and gives the first piece of the answer as Redis writes it. */
export async function askRedis(port: number, command: string): Promise<string> {
  const socket = createConnection(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    socket.write(`${command}\r\n`)
    const [answer] = await once(socket, 'data')
    return String(answer)
  } finally {
    socket.destroy()
  }
}
