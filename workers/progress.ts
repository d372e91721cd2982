import type { JobQueues } from '../src/platform/queue/queues.ts'
import type { Logger } from '../src/platform/telemetry/logger.ts'
import type { Metrics, QueueName } from '../src/platform/telemetry/metrics.ts'

export type ProgressTimes = {
  watchEveryMs: number
  /** After this the process reports that it is not ready. */
  stalledAfterMs: number
  /** Later than that, so that it is seen before the worker is replaced. */
  rebuildAfterMs: number
}

export const defaultProgressTimes: ProgressTimes = {
  watchEveryMs: 5_000,
  stalledAfterMs: 30_000,
  rebuildAfterMs: 60_000,
}

export type ProgressOptions = {
  metrics: Metrics
  queue: QueueName
  queues: Pick<JobQueues, 'dueJobs'>
  log: Logger
  times: ProgressTimes
  /** Replaces the worker; called while jobs are known to wait and none was finished for `rebuildAfterMs`. */
  rebuild: () => Promise<void>
}

/** Knows for how long a queue's worker has had work and finished none. */
export type ProgressWatch = {
  made(): void
  isStalled(): boolean
  close(): void
}

/**
 * An empty queue counts as progress. One that cannot be asked does not, since its content is unknown; but a
 * worker is only replaced when it is certain that work waits for it.
 */
export function watchProgress(options: ProgressOptions): ProgressWatch {
  const { metrics, queue, queues, log, times } = options
  let lastAt = performance.now()
  // Since when every look has found work, with none done in between.
  let waitingSince: number | undefined
  let asking = false
  let rebuilding = false

  const made = () => {
    lastAt = performance.now()
    waitingSince = undefined
    metrics.workerLastProgress.set({ queue }, 0)
  }
  const secondsSince = () => (performance.now() - lastAt) / 1_000

  function look(due: number): void {
    if (due === 0) {
      made()
      return
    }
    waitingSince ??= performance.now()
    if (rebuilding || performance.now() - waitingSince < times.rebuildAfterMs) return
    rebuilding = true
    void replace(due).finally(() => {
      rebuilding = false
      waitingSince = undefined
    })
  }

  async function replace(due: number): Promise<void> {
    log.error({ queue, due, seconds: Math.round(secondsSince()) }, 'worker.stalled')
    try {
      await options.rebuild()
      metrics.workerRebuilds.inc({ queue })
      log.warn({ queue }, 'worker.rebuilt')
    } catch (error) {
      log.error({ err: error, queue }, 'worker.rebuild_failed')
    }
  }

  const timer = setInterval(() => {
    metrics.workerLastProgress.set({ queue }, secondsSince())
    // A connection that hangs is not asked again until it has answered.
    if (asking) return
    asking = true
    queues
      .dueJobs(queue)
      .then(look, () => {
        waitingSince = undefined
      })
      .finally(() => {
        asking = false
      })
  }, times.watchEveryMs)
  timer.unref()
  made()
  return {
    made,
    isStalled: () => secondsSince() * 1_000 > times.stalledAfterMs,
    close: () => clearInterval(timer),
  }
}
