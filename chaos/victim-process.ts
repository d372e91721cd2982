import { spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import path from 'node:path'
import { compiledModules } from '../local/compiled-modules.ts'
import { endWithParent } from '../local/end-with-parent.ts'
import { answersWell, until } from './until.ts'

const repository = path.join(import.meta.dirname, '..')
const readyWithinMs = 60_000
const closesWithinMs = 25_000
const charactersShown = 2_000

export type VictimPlan = {
  name: string
  /** Relative to the repository. */
  file: string
  environment: Record<string, string>
  /** Answers 2xx once the process runs. */
  aliveUrl: string
  /** Where what it says is written. */
  logFile: string
}

/** A process of the product that is killed and started again. */
export type Victim = {
  name: string
  aliveUrl: string
  /** Starts it, again and again as a supervisor would while it cannot, until it runs. */
  start(): Promise<void>
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** SIGTERM; resolves when it is gone. */
  stop(): Promise<void>
  /** One line for each unexpected end; failed starts are not counted. */
  deaths(): string[]
}

type Running = { end: (signal: NodeJS.Signals) => Promise<void>; isGone: () => boolean }

export function createVictim(plan: VictimPlan): Victim {
  const deaths: string[] = []
  let running: Running | undefined

  async function launch(): Promise<Running> {
    const log = await open(plan.logFile, 'a')
    const child = spawn(process.execPath, [plan.file], {
      cwd: repository,
      env: { ...compiledModules(), ...plan.environment },
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    })
    let gone = false
    let asked = false
    let ready = false
    const ended = new Promise<void>((resolve) => {
      const finish = (how: string) => {
        gone = true
        if (ready && !asked) deaths.push(`${plan.name} ended by itself: ${how}`)
        resolve()
      }
      child.once('error', (error) => finish(error.message))
      child.once('exit', (code, signal) => finish(signal ?? `exit code ${code}`))
    })
    await log.close()
    const release = child.pid === undefined ? () => {} : endWithParent(child.pid, '')
    void ended.then(release)
    const end = async (signal: NodeJS.Signals) => {
      asked = true
      const tooLate = setTimeout(() => child.kill('SIGKILL'), closesWithinMs)
      if (!gone) child.kill(signal)
      await ended
      clearTimeout(tooLate)
    }
    ready = await until(async () => gone || (await answersWell(plan.aliveUrl)), { withinMs: readyWithinMs })
    ready &&= !gone
    return { end, isGone: () => gone }
  }

  const end = async (signal: NodeJS.Signals) => {
    await running?.end(signal)
    running = undefined
  }

  return {
    name: plan.name,
    aliveUrl: plan.aliveUrl,
    async start() {
      const started = await until(
        async () => {
          running = await launch()
          return !running.isGone()
        },
        { withinMs: readyWithinMs },
      )
      if (started) return
      const said = await readFile(plan.logFile, 'utf8')
      throw new Error(`${plan.name} does not start:\n${said.slice(-charactersShown)}`)
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    deaths: () => deaths,
  }
}
