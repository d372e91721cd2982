import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { asAccount } from './postgres-account.ts'
import { handTo, type PostgresPlace } from './postgres-place.ts'

const readyWithinMs = 60_000
const logKeptBytes = 1024 * 1024

/** What the server says about itself in postmaster.pid. */
export type ServerFile = { pid: number; port: number; ready: boolean; text: string }

/** How a start went: it answers, its port is taken, or another server (perhaps a dying one) still holds the data. */
export type Launch = { outcome: 'ready'; pid: number } | { outcome: 'port taken' } | { outcome: 'data held' }

/** Reads postmaster.pid; `undefined` when no server left one. */
export async function readServerFile(data: string): Promise<ServerFile | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const lines = text.split('\n').map((line) => line.trim())
  // A stand-alone backend writes its pid negated.
  const pid = Math.abs(Number(lines[0]))
  if (!Number.isInteger(pid) || pid === 0) return undefined
  return { pid, port: Number(lines[3] ?? 0), ready: lines[7] === 'ready', text }
}

/** Starts a server and waits until it is ready. It lives in its own session, so the terminal's Ctrl-C reaches only the processes that use it. Throws with the server's own words when it cannot start for another reason than those in Launch. */
export async function launchPostgres(
  binaries: string,
  place: PostgresPlace,
  port: number,
  settings: Record<string, string>,
): Promise<Launch> {
  const all = { ...settings, listen_addresses: '127.0.0.1', port: String(port), unix_socket_directories: '' }
  const options = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const logged = (await stat(place.logFile).catch(() => undefined))?.size ?? 0
  const before = logged > logKeptBytes ? 0 : logged
  const log = await open(place.logFile, before === 0 ? 'w' : 'a', 0o600)
  try {
    // The owner of the data may be the next to start it.
    await handTo(place.account, place.logFile)
    const server = spawn(join(binaries, 'bin', 'postgres'), ['-D', place.data, ...options], {
      ...asAccount(place.account),
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    })
    await once(server, 'spawn')
    server.unref()
    const deadline = Date.now() + readyWithinMs
    while (server.exitCode === null && server.signalCode === null) {
      const file = await readServerFile(place.data)
      if (file?.pid === server.pid && file?.ready) return { outcome: 'ready', pid: file.pid }
      if (Date.now() > deadline) {
        server.kill('SIGQUIT')
        throw new Error(`PostgreSQL was not ready within ${readyWithinMs / 1000} s; see ${place.logFile}.`)
      }
      await pause(15)
    }
  } finally {
    await log.close()
  }
  return explainExit(await readFrom(place.logFile, before))
}

function explainExit(output: string): Launch {
  if (/could not create any TCP\/IP sockets/.test(output)) return { outcome: 'port taken' }
  if (/lock file "postmaster.pid" (already exists|is empty)|pre-existing shared memory block/.test(output)) {
    return { outcome: 'data held' }
  }
  throw new Error(`PostgreSQL did not start:\n${output.trim()}`)
}

/** Ends a server and waits until it is gone: quickly but cleanly at first, without ceremony after ten seconds. Never waits for ever. */
export async function endPostgres(pid: number, data: string): Promise<void> {
  const steps = [
    { signal: 'SIGINT', waitMs: 10_000 },
    { signal: 'SIGQUIT', waitMs: 5_000 },
    { signal: 'SIGKILL', waitMs: 2_000 },
  ] as const
  for (const { signal, waitMs } of steps) {
    if (!sendSignal(pid, signal)) return
    const deadline = Date.now() + waitMs
    while (Date.now() < deadline) {
      if (await isGone(pid, data)) return
      await pause(15)
    }
  }
}

/** Sends a signal; false when there is no such process. */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

async function isGone(pid: number, data: string): Promise<boolean> {
  if (!sendSignal(pid, 0)) return true
  // A server whose parent died stays in the process table until it is reaped; its file is gone before.
  return (await readServerFile(data))?.pid !== pid
}

async function readFrom(path: string, offset: number): Promise<string> {
  const content = await readFile(path)
  return content.subarray(offset).toString('utf8')
}
