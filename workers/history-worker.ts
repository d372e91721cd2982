import { setTimeout as pause } from 'node:timers/promises'
import type { Deps } from '../src/deps.ts'
import { historyQueue } from '../src/platform/queue/queues.ts'
import { takeTurn } from '../src/polling/take-turn.ts'

export type HistoryWorker = {
  /** Waits until the turns under way are over. */
  close(): Promise<void>
}

// Each holds a page of reservations in memory while it applies it.
const turnsAtOnce = 4
const afterFailureMs = 2_000
const showEveryMs = 5_000

/** Imports and reconciles, one connection's turn after another (docs/decisions/0027). */
export function startHistoryWorker(deps: Deps): HistoryWorker {
  const { log, metrics, historyTimes } = deps
  const reading = { ...deps, times: historyTimes }
  const stopped = new AbortController()
  let progressAt = performance.now()
  const show = setInterval(() => {
    metrics.workerLastProgress.set({ queue: historyQueue }, (performance.now() - progressAt) / 1_000)
  }, showEveryMs)
  show.unref()

  async function takeTurns(): Promise<void> {
    while (!stopped.signal.aborted) {
      const waitMs = await takeTurn(reading).then(
        (taken) => {
          progressAt = performance.now()
          return taken ? 0 : historyTimes.lookEveryMs
        },
        (error: unknown) => {
          log.warn({ err: error }, 'history.turn_failed')
          return afterFailureMs
        },
      )
      if (waitMs > 0) await pause(waitMs, undefined, { signal: stopped.signal }).catch(() => undefined)
    }
  }

  const turns = Array.from({ length: turnsAtOnce }, takeTurns)
  return {
    async close() {
      stopped.abort()
      clearInterval(show)
      await Promise.all(turns)
    },
  }
}
