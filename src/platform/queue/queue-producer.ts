import type { Queue } from 'bullmq'
import { withTimeout } from '../timeout.ts'

export type NewJob = {
  name: string
  data: Record<string, string | number | string[]>
  jobId: string
  /** Jobs with a larger one wait until there are none with a smaller one; 0, as unset, comes first. */
  priority?: number
  /** Of the jobs with this key at most one runs and one waits; a waiting one is moved to the newest delay. */
  oneAtATime?: string
  delayMs?: number
}

export type QueueHandle = {
  /**
   * Adds jobs; one whose id is still known is left as it is. Rejects at once while the backend is away, and some of the
   * jobs may be there then.
   */
  add(jobs: NewJob[]): Promise<void>
  /** Jobs that a worker could begin now. */
  dueJobs(): Promise<number>
}

// What BullMQ's two backends have in common, as far as it is used here; their own types differ.
export type AnyQueue = Pick<Queue, 'add' | 'addBulk' | 'getJobCounts' | 'waitUntilReady' | 'close' | 'on'>

const moreAttemptsThanEver = 1_000_000
// In PostgreSQL a bulk makes and drops two tables, which takes longer than all else about a few jobs.
const maxByThemselves = 4
const closeQueueWithinMs = 3_000

export type QueueOpener = { opened(): Promise<AnyQueue>; close(): Promise<void> }

// BullMQ remembers for ever that a queue failed to become ready; such a queue is discarded and built again.
export function openOnce(open: () => AnyQueue, onError: (error: Error) => void): QueueOpener {
  let opening: Promise<AnyQueue> | undefined

  async function start(): Promise<AnyQueue> {
    const queue = open()
    queue.on('error', onError)
    try {
      await queue.waitUntilReady()
      return queue
    } catch (error) {
      await queue.close().catch(onError)
      throw error
    }
  }

  return {
    opened() {
      opening ??= start().catch((error: unknown) => {
        opening = undefined
        throw error
      })
      return opening
    },
    async close() {
      const closing = opening?.then(
        (queue) => queue.close().catch(onError),
        () => undefined,
      )
      await withTimeout(closeQueueWithinMs, Promise.resolve(closing), () => undefined)
    },
  }
}

export function queueHandle(queue: QueueOpener): QueueHandle {
  return {
    async add(jobs) {
      if (jobs.length === 0) return
      const opened = await queue.opened()
      const entries = jobs.map(jobEntry)
      if (entries.length > maxByThemselves) await opened.addBulk(entries)
      else await Promise.all(entries.map(({ name, data, opts }) => opened.add(name, data, opts)))
    },
    async dueJobs() {
      const counts = await (await queue.opened()).getJobCounts('waiting', 'prioritized')
      return Object.values(counts).reduce((sum, count) => sum + count, 0)
    },
  }
}

function jobEntry({ name, data, jobId, priority, oneAtATime, delayMs }: NewJob) {
  return {
    name,
    data,
    // A kept job with the same id would turn a replay into a silent no-op, so nothing is kept.
    // The runner counts the attempts; BullMQ must never come to its own end of them.
    opts: {
      jobId,
      attempts: moreAttemptsThanEver,
      backoff: { type: 'custom' },
      removeOnComplete: true,
      removeOnFail: true,
      ...(priority === undefined ? {} : { priority }),
      ...(delayMs === undefined ? {} : { delay: delayMs }),
      // Data must be a pointer: of two waiting jobs the first one's data stays.
      ...(oneAtATime === undefined
        ? {}
        : { deduplication: { id: oneAtATime, keepLastIfActive: true, reschedule: true } }),
    },
  }
}
