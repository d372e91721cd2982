import { openQueueBackend, type QueueBackendOptions } from '../src/platform/queue/queue-backend.ts'
import type { WorkerOptions } from '../src/platform/queue/queue-worker.ts'
import type { QueueName } from '../src/platform/telemetry/metrics.ts'

export type ReplaceableWorker = {
  /** Replaces the worker by a new one with connections of its own, within seconds. */
  rebuild(): Promise<void>
  /** Waits until the jobs under way are done. */
  close(): Promise<void>
}

const abandonWithinMs = 5_000

/** Works on the jobs of one queue until it is closed. */
export function openReplaceableWorker(
  backendOptions: QueueBackendOptions,
  queue: QueueName,
  options: WorkerOptions,
): ReplaceableWorker {
  const backend = openQueueBackend(backendOptions)
  let worker = backend.openWorker(queue, options)
  let closing = false
  return {
    async rebuild() {
      if (closing) return
      const stuck = worker
      worker = backend.openWorker(queue, options)
      await stuck.abandon(abandonWithinMs)
    },
    async close() {
      closing = true
      await worker.close()
      await backend.close()
    },
  }
}
