import type { Locks } from '../src/platform/db/locks.ts'
import type { Sweep } from '../src/platform/module.ts'
import type { Logger } from '../src/platform/telemetry/logger.ts'
import type { Metrics, WorkName } from '../src/platform/telemetry/metrics.ts'

const upkeepWork = 'upkeep' satisfies WorkName

export type UpkeepDeps = { locks: Locks; log: Logger; metrics: Metrics }

/**
 * Runs each sweep again and again, one run at a time over all processes; a failed run is logged and the next one comes
 * as usual. Timers of this process, not jobs of the queue: a Redis that lost its jobs would have lost the scheduler
 * along with them (docs/decisions/0020). Closing waits for the runs under way.
 */
export function startUpkeep(
  { locks, log, metrics }: UpkeepDeps,
  sweeps: Sweep[],
): { close(): Promise<void> } {
  const running = new Set<Promise<void>>()

  function start(sweep: Sweep): NodeJS.Timeout {
    let sweptAt = performance.now()
    let busy = false
    const showProgress = () => {
      if (!sweep.showsProgress) return
      metrics.workerLastProgress.set({ queue: upkeepWork }, (performance.now() - sweptAt) / 1_000)
    }
    async function runOnce(): Promise<void> {
      showProgress()
      try {
        const done = await locks.tryWith(`sweep:${sweep.name}`, sweep.run)
        // A process that holds the lock for ever does not sweep for ever.
        if (done !== undefined) sweptAt = performance.now()
        showProgress()
      } catch (error) {
        log.warn({ err: error, task: sweep.name }, 'upkeep.failed')
      }
    }
    return setInterval(() => {
      if (busy) return
      busy = true
      const run = runOnce().finally(() => {
        busy = false
        running.delete(run)
      })
      running.add(run)
    }, sweep.everyMs)
  }

  const timers = sweeps.map(start)
  return {
    async close() {
      for (const timer of timers) clearInterval(timer)
      await Promise.all(running)
    },
  }
}
