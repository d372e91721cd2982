import { withLeaderLock } from '../src/db/leader-lock.ts'
import type { Deps } from '../src/deps.ts'
import { type SweepOptions, sweepWebhooks } from '../src/inbound/sweep-webhooks.ts'
import type { Logger } from '../src/telemetry/logger.ts'

export type UpkeepTask = { name: string; everyMs: number; run: () => Promise<void> }
export type UpkeepHandle = { close(): Promise<void> }

export type UpkeepTimes = SweepOptions & { sweepEveryMs: number }

export const defaultUpkeepTimes: UpkeepTimes = {
  sweepEveryMs: 2_000,
  neverEnqueuedForMs: 3_000,
  enqueuedForMs: 60_000,
}

/**
 * Calls each folder's own sweep. Timers of this process, not jobs of the queue: a Redis that lost its jobs would have
 * lost the scheduler along with them (docs/decisions/0020).
 */
export function startUpkeep(
  deps: Deps,
  onProgress: () => void,
  { sweepEveryMs, ...sweep }: UpkeepTimes = defaultUpkeepTimes,
): UpkeepHandle {
  const { db, queues, log } = deps
  return startTasks(log, [
    {
      name: 'sweep-webhooks',
      everyMs: sweepEveryMs,
      async run() {
        const offered = await withLeaderLock(db, 'sweep-webhooks', () => sweepWebhooks(db, queues, sweep))
        if (offered !== undefined && offered > 0) log.warn({ webhooks: offered }, 'webhook.swept')
        onProgress()
      },
    },
  ])
}

/** Runs each task again and again, one run at a time; a failed run is logged and the next one comes as usual. */
export function startTasks(log: Logger, tasks: UpkeepTask[]): UpkeepHandle {
  const running = new Set<Promise<void>>()
  const timers = tasks.map(({ name, everyMs, run }) => {
    let busy = false
    return setInterval(() => {
      if (busy) return
      busy = true
      const finished: Promise<void> = run()
        .catch((error: unknown) => log.warn({ err: error, task: name }, 'upkeep.failed'))
        .finally(() => {
          busy = false
          running.delete(finished)
        })
      running.add(finished)
    }, everyMs)
  })
  return {
    async close() {
      for (const timer of timers) clearInterval(timer)
      await Promise.all(running)
    },
  }
}
