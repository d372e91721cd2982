import { setTimeout as pause } from 'node:timers/promises'
import type { Loop } from '../src/platform/module.ts'
import type { Logger } from '../src/platform/telemetry/logger.ts'
import type { Metrics } from '../src/platform/telemetry/metrics.ts'

const afterFailureMs = 2_000
const showEveryMs = 5_000

/** Runs a loop in all its lanes until it is closed; closing waits for the pieces of work under way. */
export function runLoop(
  { log, metrics }: { log: Logger; metrics: Metrics },
  { name, parallel, idleMs, run }: Loop,
): { close(): Promise<void> } {
  const stopped = new AbortController()
  let progressAt = performance.now()
  const show = setInterval(() => {
    metrics.workerLastProgress.set({ queue: name }, (performance.now() - progressAt) / 1_000)
  }, showEveryMs)
  show.unref()

  async function runLane(): Promise<void> {
    while (!stopped.signal.aborted) {
      const waitMs = await run().then(
        (found) => {
          progressAt = performance.now()
          return found ? 0 : idleMs
        },
        (error: unknown) => {
          log.warn({ err: error, loop: name }, 'loop.failed')
          return afterFailureMs
        },
      )
      if (waitMs > 0) await pause(waitMs, undefined, { signal: stopped.signal }).catch(() => undefined)
    }
  }

  const lanes = Array.from({ length: parallel }, runLane)
  return {
    async close() {
      stopped.abort()
      clearInterval(show)
      await Promise.all(lanes)
    },
  }
}
