import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endWithParent } from '../../local/end-with-parent.ts'
import { freePort } from '../../local/free-port.ts'
import { eventually } from './eventually.ts'

export type TestRedis = { url: string; stop(): Promise<void> }

/** Runs a Redis that keeps nothing, on a free port; `undefined` where no redis-server is on PATH. It ends with this process, however that ends. */
export async function startTestRedis(): Promise<TestRedis | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'hostaway-redis-'))
  const port = await freePort()
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
    await eventually(() => {
      if (server.exitCode !== null) throw new Error(`redis-server ended with code ${server.exitCode}.`)
      return answerPing(port)
    })
  } catch (error) {
    await stop()
    throw error
  }
  return { url: `redis://127.0.0.1:${port}`, stop }
}

async function answerPing(port: number): Promise<void> {
  const socket = createConnection(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    socket.write('PING\r\n')
    const [answer] = await once(socket, 'data')
    if (!String(answer).startsWith('+PONG')) throw new Error(`redis-server answered ${answer}`)
  } finally {
    socket.destroy()
  }
}
