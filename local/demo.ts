import { parseArgs } from 'node:util'
import { acquire } from '../src/platform/process/acquire.ts'
import { awaitHistory, describeImport } from './demo-history.ts'
import { play } from './demo-play.ts'
import { introduce, notice, type Summary, summarise } from './demo-report.ts'
import { settle } from './demo-settle.ts'
import { stopSignal } from './demo-stop.ts'
import { type DemoSystem, startDemoSystem } from './demo-system.ts'

const usage = `Usage: npm run demo [-- --once] [-- --seed <text>] [-- --changes <number>]

  --once     ends by itself: exit 0 if everything converged, otherwise 1
  --changes  how many changes --once plays, by default 200
  --seed     other guests than those of the seed "demo"`

const stoppedExitCode = 130
const settlesWithinMs = 90_000
const tellEveryMs = 2_500

type DemoOptions = { seed: string; changes: number | undefined }

const print = (text: string) => console.log(text)

try {
  const options = readArguments()
  process.exitCode = options === undefined ? 0 : await runDemo(options)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
// Connections that are kept open would delay the end.
process.exit()

/** Returns the exit code: 0 if everything converged. Throws when a process died. */
async function runDemo({ seed, changes }: DemoOptions): Promise<number> {
  const startedAt = Date.now()
  const signal = stopSignal(() => print(`\n${notice('Stopping; a moment.')}`))
  let hasStarted = false
  let death: Error | undefined
  const dying = Promise.withResolvers<never>()
  dying.promise.catch((error: Error) => {
    death = error
  })
  // The reader of stdout (a pager, say) may close first.
  process.stdout.on('error', dying.reject)

  try {
    const summary = await acquire(async (releases) => {
      print(notice('Starting PostgreSQL, the Hostaway sandbox, the worker and the API: about ten seconds.'))
      const system = await notSilent('Still starting.', () =>
        startDemoSystem(releases, { seed, signal, onDeath: dying.reject }),
      )
      hasStarted = true
      print(introduce(system))
      if (changes === undefined) print('Ctrl-C ends it, after a comparison of both sides.\n')
      const judged = await Promise.race([dying.promise, playAndJudge(system)])
      print(summarise(judged))
      await releases.disposeAsync()
      return judged
    })
    return summary.differences.length === 0 ? 0 : 1
  } catch (error) {
    if (signal.aborted && !hasStarted && death === undefined) return stoppedExitCode
    throw death ?? error
  }

  async function playAndJudge(system: DemoSystem): Promise<Summary> {
    const imported = await awaitHistory(system)
    print(notice(`Connected; earlier reservations imported: ${describeImport(imported)}.`))
    const observed = await play(system, { seed, changes, signal, print })
    return settle(system, observed, {
      imported,
      seed,
      startedAt,
      withinMs: settlesWithinMs,
      signal,
      print,
    })
  }
}

/** Says that it goes on while something takes long without a word of its own. */
async function notSilent<Result>(words: string, work: () => Promise<Result>): Promise<Result> {
  const timer = setInterval(() => print(notice(words)), tellEveryMs)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}

function readArguments(): DemoOptions | undefined {
  const { values } = parseArgs({
    options: {
      once: { type: 'boolean', default: false },
      changes: { type: 'string', default: '200' },
      seed: { type: 'string', default: 'demo' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    print(usage)
    return undefined
  }
  const changes = Number(values.changes)
  if (!Number.isInteger(changes) || changes < 1) {
    throw new Error(`--changes must be a whole number above 0.\n${usage}`)
  }
  return { seed: values.seed, changes: values.once ? changes : undefined }
}
