import { spawn } from 'node:child_process'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Environment } from '../src/config.ts'
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
  /** Answers 2xx once the process can do its job. */
  readyUrl: string
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
 * with this process, whatever ends it. `onDeath` is told, with its last lines, when it ends without having been asked.
 */
export async function startProcess(plan: ProcessPlan, onDeath: (error: Error) => void): Promise<DemoProcess> {
  const child = spawn(process.execPath, [plan.file], {
    cwd: repository,
    env: plan.environment,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lastLines = keepLastLines([child.stdout, child.stderr])
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`${plan.name} could not be started: ${await ended}`)
  const release = endWithParent(pid)
  let isAsked = false
  let isGone = false
  const death = ended.then((how) => {
    isGone = true
    release()
    const error = new Error(
      `${plan.name} ended by itself (${how}). The last it said:\n${lastLines().join('\n')}`,
    )
    if (!isAsked) onDeath(error)
    return error
  })

  async function end(signal: NodeJS.Signals): Promise<void> {
    isAsked = true
    if (!isGone) child.kill(signal)
    const tooLate = setTimeout(() => child.kill('SIGKILL'), closesWithinMs)
    await ended
    clearTimeout(tooLate)
  }

  const deadline = Date.now() + readyWithinMs
  while (!(await answers(plan.readyUrl))) {
    if (isGone) throw await death
    if (Date.now() > deadline) {
      await end('SIGKILL')
      throw new Error(
        `${plan.name} was not ready within ${readyWithinMs / 1_000} s:\n${lastLines().join('\n')}`,
      )
    }
    await pause(50)
  }
  return { pid, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}

function keepLastLines(streams: NodeJS.ReadableStream[]): () => string[] {
  let kept: string[] = []
  for (const stream of streams) {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      kept = [...kept, ...text.split('\n').filter((line) => line !== '')].slice(-linesKept)
    })
  }
  return () => kept.map((line) => `  ${line}`)
}
