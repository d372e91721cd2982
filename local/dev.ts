import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { acquire } from '../src/platform/process/acquire.ts'
import { sentenceOf } from '../src/platform/process/start-error.ts'
import { endWithParent } from './end-with-parent.ts'
import { dataFolder, provideDatabase } from './local-database.ts'

// Runs `npm start` under Node's watcher, which restarts it when a file that it imports changes. The embedded
// database belongs to this process, so that a restart takes as long as the product needs, not PostgreSQL.
let isStopping = false
let stop = (_signal: NodeJS.Signals): void => {
  isStopping = true
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop(signal))

try {
  process.exitCode = await acquire(async (releases) => {
    const environment = { ...process.env }
    if (!environment.DATABASE_URL) {
      const provided = await provideDatabase(releases, { folder: dataFolder })
      environment.DATABASE_URL = provided.DATABASE_URL
      environment.ENCRYPTION_KEYS ||= provided.ENCRYPTION_KEYS
    }
    const code = isStopping ? 0 : await watch(environment)
    await releases.disposeAsync()
    return code
  })
} catch (error) {
  console.error(sentenceOf(error))
  process.exitCode = 1
}

/** Resolves with the exit code once the watcher and the product under it have ended. */
async function watch(environment: NodeJS.ProcessEnv): Promise<number> {
  const start = path.join(import.meta.dirname, 'start.ts')
  const watcher = spawn(process.execPath, ['--watch', '--watch-preserve-output', start], {
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit'],
    // Out of reach of the terminal's Ctrl-C: the watcher hands one signal on, where two would look impatient.
    detached: true,
  })
  const release = watcher.pid === undefined ? undefined : endWithParent(watcher.pid)
  stop = (signal) => void watcher.kill(signal)
  const [code] = await once(watcher, 'exit')
  release?.()
  return code ?? 0
}
