import type { JobQueues } from '../src/queues.ts'
import type { Metrics, QueueName } from '../src/telemetry/metrics.ts'

const watchEveryMs = 5_000

/** Knows for how long a queue's worker has had work and finished none. */
export type ProgressWatch = {
  made(): void
  secondsSince(): number
  close(): void
}

/** An empty queue counts as progress; one that cannot be asked does not, since nobody knows what waits in it. */
export function watchProgress(
  metrics: Metrics,
  queue: QueueName,
  queues: Pick<JobQueues, 'waitingJobs'>,
): ProgressWatch {
  let lastAt = performance.now()
  const made = () => {
    lastAt = performance.now()
    metrics.workerLastProgress.set({ queue }, 0)
  }
  const secondsSince = () => (performance.now() - lastAt) / 1_000
  const timer = setInterval(() => {
    queues.waitingJobs(queue).then(
      (waiting) => {
        if (waiting === 0) made()
        metrics.workerLastProgress.set({ queue }, secondsSince())
      },
      () => metrics.workerLastProgress.set({ queue }, secondsSince()),
    )
  }, watchEveryMs)
  timer.unref()
  made()
  return { made, secondsSince, close: () => clearInterval(timer) }
}
