import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

export type Environment = Record<string, string>

export type ServerProcess = {
  pid: number
  /** Address it said it listens on, or the one it was polled at. */
  url: string
  stop(): Promise<void>
}

const root = path.join(import.meta.dirname, '..')
const readyWithinMs = 20_000
const run = promisify(execFile)
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts a Node process of this repository and resolves when `GET <url>/healthz` answers; its output goes to a file. */
export async function startServer(
  file: string,
  options: { url: string; env: Environment; logFile: string; nodeOptions?: string[] },
): Promise<ServerProcess> {
  const child = startNode(file, options)
  const deadline = Date.now() + readyWithinMs
  for (;;) {
    if (child.exitCode !== null)
      throw new Error(`${file} ended with ${child.exitCode}; see ${options.logFile}`)
    const answered = await fetch(`${options.url}/healthz`).then(
      (response) => response.ok,
      () => false,
    )
    if (answered) break
    if (Date.now() > deadline) throw new Error(`${file} does not answer; see ${options.logFile}`)
    await pause(50)
  }
  return {
    pid: child.pid ?? 0,
    url: options.url,
    async stop() {
      if (child.exitCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    },
  }
}

function startNode(
  file: string,
  options: { env: Environment; logFile: string; nodeOptions?: string[] },
): ChildProcess {
  const log = openSync(options.logFile, 'a')
  const child = spawn(process.execPath, [...(options.nodeOptions ?? []), path.join(root, file)], {
    cwd: root,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...options.env },
    stdio: ['ignore', log, log],
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** Runs a file of this repository to its end with one JSON argument; resolves to the JSON it printed. */
export async function runTask<Result>(file: string, argument: unknown): Promise<Result> {
  const child = spawn(process.execPath, [path.join(root, file), JSON.stringify(argument)], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += String(chunk)
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${file} ended with ${code}`)
  return JSON.parse(output) as Result
}

/** Memory of a process in MiB, as the operating system counts it. */
export async function residentMegabytes(pid: number): Promise<number> {
  const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(pid)])
  return Number(stdout.trim()) / 1024
}

const ticksPerSecond = 100

/** Processor time in seconds that a process has used so far, and the children it started; undefined where /proc does not say. */
export async function processorSeconds(pid: number | undefined): Promise<number | undefined> {
  if (pid === undefined) return undefined
  const own = await readTicks(pid)
  if (own === undefined) return undefined
  let ticks = own.used + own.usedByEnded
  for (const child of await childrenOf(pid)) ticks += (await readTicks(child))?.used ?? 0
  return ticks / ticksPerSecond
}

async function readTicks(pid: number): Promise<{ used: number; usedByEnded: number } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  // The name in parentheses may hold spaces; utime, stime, cutime and cstime are the 12th to 15th field after it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [user, system, endedUser, endedSystem] = fields.slice(11, 15).map(Number)
  return { used: (user ?? 0) + (system ?? 0), usedByEnded: (endedUser ?? 0) + (endedSystem ?? 0) }
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  return text
    .split(' ')
    .filter((child) => child !== '')
    .map(Number)
}
