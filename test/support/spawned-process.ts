import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { compiledModules } from '../../local/compiled-modules.ts'
import type { EndsLater } from './after-all.ts'
import { eventually } from './eventually.ts'

export type LogLine = { level: string; time: string; role: string; msg: string; [field: string]: unknown }

const root = fileURLToPath(new URL('../../', import.meta.url))

/** What every process needs of this one's environment: where programs are, and what Node has compiled before. */
export function inheritedEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '/' } = process.env
  return { PATH, HOME, ...compiledModules() }
}

/** Runs a file of the product with this Node and exactly these settings; what still runs after the test is killed. */
export function startProcess(
  context: EndsLater,
  file: string,
  settings: Record<string, string>,
  args: string[] = [],
) {
  const child = spawn(process.execPath, [file, ...args], {
    cwd: root,
    env: { ...inheritedEnvironment(), ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let written = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    written += chunk
  })
  const errors = text(child.stderr)
  const closed = once(child, 'close')
  context.after(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await closed
  })

  /** What was logged so far; fails on a line that is not one event in JSON. */
  function events(): LogLine[] {
    return written
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LogLine)
  }

  return {
    events,
    stdout: () => written,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    /** Resolves once the event was logged; fails if the process ends without it. */
    async until(message: string): Promise<LogLine> {
      return eventually(
        () => {
          const found = events().find(({ msg }) => msg === message)
          assert.ok(found, `no ${message} in ${written}`)
          return found
        },
        { timeoutMs: 30_000 },
      )
    },
    /** Resolves when the process has ended by itself. */
    async end(): Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }> {
      await closed
      return { code: child.exitCode, signal: child.signalCode, stdout: written, stderr: await errors }
    },
  }
}
