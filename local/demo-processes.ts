import { spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Environment } from '../src/platform/config/config.ts'
import { compiledModules } from './compiled-modules.ts'
import { endWithParent } from './end-with-parent.ts'

const repository = path.join(import.meta.dirname, '..')
const readyWithinMs = 60_000
const closesWithinMs = 25_000
const linesKept = 12

export type ProcessPlan = {
  /** As a reader knows it. */
  name: string
  /** Relative to the repository. */
  file: string
  environment: Environment
  /** The event it logs once it does its job. Its port would not tell: another process may be the one that answers there. */
  readyEvent: string
}

export type DemoProcess = {
  pid: number
  /** Ends it cleanly and waits until it is gone; safe to repeat. */
  stop(): Promise<void>
  /** SIGKILL, as if the machine had failed. */
  kill(): Promise<void>
}

/**
 * Starts one process of the product and waits until it is ready. It is out of reach of the terminal's Ctrl-C and ends
 * with this process, whatever ends it. Rejects with its last lines when it cannot start; later, `onDeath` receives
 * them when the process ends unexpectedly.
 */
export async function startProcess(plan: ProcessPlan, onDeath: (error: Error) => void): Promise<DemoProcess> {
  const child = spawn(process.execPath, [plan.file], {
    cwd: repository,
    env: { ...compiledModules(), ...plan.environment },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ready = Promise.withResolvers<void>()
  const lastLines = readLines([child.stdout, child.stderr], (line) => {
    if (line.includes(`"${plan.readyEvent}"`)) ready.resolve()
  })
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`${plan.name} could not be started: ${await ended}`)
  const release = endWithParent(pid)
  let isReady = false
  let isAsked = false
  let isGone = false
  void ended.then((how) => {
    isGone = true
    release()
    const error = new Error(`${plan.name} ended by itself (${how}). The last it said:\n${lastLines()}`)
    if (!isReady) ready.reject(error)
    else if (!isAsked) onDeath(error)
  })

  async function end(signal: NodeJS.Signals): Promise<void> {
    isAsked = true
    if (!isGone) child.kill(signal)
    const tooLate = setTimeout(() => child.kill('SIGKILL'), closesWithinMs)
    await ended
    clearTimeout(tooLate)
  }

  const tooSlow = setTimeout(() => {
    ready.reject(new Error(`${plan.name} was not ready within ${readyWithinMs / 1_000} s:\n${lastLines()}`))
  }, readyWithinMs)
  try {
    await ready.promise
  } catch (error) {
    await end('SIGKILL')
    throw error
  } finally {
    clearTimeout(tooSlow)
  }
  isReady = true
  return { pid, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') }
}

function readLines(streams: Readable[], onLine: (line: string) => void): () => string {
  let kept: string[] = []
  for (const input of streams) {
    createInterface({ input }).on('line', (line) => {
      kept = [...kept, `  ${line}`].slice(-linesKept)
      onLine(line)
    })
  }
  return () => kept.join('\n')
}
