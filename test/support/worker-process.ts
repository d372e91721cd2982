import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { EndsLater } from './after-all.ts'
import { inheritedEnvironment } from './spawned-process.ts'
import type { TestSystem } from './test-system.ts'

const workerFile = path.join(import.meta.dirname, 'worker-main.ts')
/** The product's own worker, with its own lock times of the queue. */
export const productWorkerFile = path.join(import.meta.dirname, '../../workers/main.ts')

/** A worker of the system in a process of its own, with other settings where given; a test may kill it, and other workers soon take over its jobs. It ends with the test at the latest. */
export function startWorkerProcess(
  context: EndsLater,
  { config, keys }: TestSystem,
  settings: Record<string, string> = {},
  file = workerFile,
): ChildProcess {
  const child = spawn(process.execPath, [file], {
    stdio: 'ignore',
    env: {
      ...inheritedEnvironment(),
      DATABASE_URL: config.DATABASE_URL,
      ...(config.REDIS_URL === undefined ? {} : { REDIS_URL: config.REDIS_URL }),
      QUEUE_PREFIX: config.QUEUE_PREFIX,
      ENCRYPTION_KEYS: keys,
      METRICS_PORT: '0',
      WORKER_CONCURRENCY: '8',
      HOSTAWAY_API_URL: config.HOSTAWAY_API_URL,
      HOSTAWAY_RATE_LIMIT_PROFILE: config.HOSTAWAY_RATE_LIMIT_PROFILE,
      HOSTAWAY_RECONCILE_CRON: config.HOSTAWAY_RECONCILE_CRON,
      LOG_LEVEL: 'silent',
      ...settings,
    },
  })
  const ended = once(child, 'exit')
  context.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return child
}
