import pLimit from 'p-limit'
import { AppError } from './errors.ts'

export type BatchOptions<Item, Result> = {
  /** Does the work of all items together or of none; resolves to their results in the same order. */
  run: (items: Item[]) => Promise<Result[]>
  /** Whether a failure may lie in one item, so that the others are worth another try. */
  isItemFault: (error: unknown) => boolean
  maxItems: number
  maxInFlight: number
  /** How many items are run at once where each runs alone; one by default. */
  maxAlone?: number
  /** Items that share a key are never in flight at the same time. */
  keysOf?: (item: Item) => string[]
  sizeOf?: (item: Item) => number
  /** Of one batch; an item that is larger goes alone. */
  maxSize?: number
  maxWaiting?: number
  maxWaitingSize?: number
}

export type Batcher<Item, Result> = {
  /** Resolves once the item's batch is done; rejects at once with `database_unavailable` where too much waits already. */
  add(item: Item): Promise<Result>
  /** Resolves when everything that was added has been answered. */
  drain(): Promise<void>
}

type Entry<Item, Result> = {
  item: Item
  keys: string[]
  size: number
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/**
 * Lets concurrent callers share a call: an item that arrives while calls are in flight joins the next batch. There is
 * no timer, so a lone item never waits for others.
 */
export function createBatcher<Item, Result>(options: BatchOptions<Item, Result>): Batcher<Item, Result> {
  const { maxSize = Infinity, maxWaiting = Infinity, maxWaitingSize = Infinity } = options
  const waiting: Entry<Item, Result>[] = []
  const busyKeys = new Set<string>()
  let waitingSize = 0
  let inFlight = 0
  let isStarting = false
  let drained: Array<() => void> = []

  function start(): void {
    isStarting = false
    while (inFlight < options.maxInFlight) {
      const batch = takeBatch()
      if (batch.length === 0) break
      inFlight += 1
      void settle(batch).finally(() => {
        inFlight -= 1
        for (const { keys } of batch) for (const key of keys) busyKeys.delete(key)
        start()
      })
    }
    if (inFlight > 0 || waiting.length > 0) return
    for (const resolve of drained) resolve()
    drained = []
  }

  function takeBatch(): Entry<Item, Result>[] {
    const batch: Entry<Item, Result>[] = []
    const skipped: Entry<Item, Result>[] = []
    let size = 0
    let seen = 0
    for (const entry of waiting) {
      const isFull = batch.length === options.maxItems || (batch.length > 0 && size + entry.size > maxSize)
      if (isFull) break
      seen += 1
      if (entry.keys.some((key) => busyKeys.has(key))) {
        skipped.push(entry)
        continue
      }
      for (const key of entry.keys) busyKeys.add(key)
      size += entry.size
      batch.push(entry)
    }
    waiting.splice(0, seen, ...skipped)
    waitingSize -= size
    return batch
  }

  async function settle(batch: Entry<Item, Result>[]): Promise<void> {
    const items = batch.map(({ item }) => item)
    const outcomes = await togetherOrEach(items, options.run, options.isItemFault, options.maxAlone)
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') batch[index]?.resolve(outcome.value)
      else batch[index]?.reject(outcome.reason)
    }
  }

  return {
    add(item) {
      const size = options.sizeOf?.(item) ?? 0
      if (waiting.length >= maxWaiting || waitingSize + size > maxWaitingSize) {
        return Promise.reject(new AppError('database_unavailable', 'Too much waits for the database already'))
      }
      return new Promise((resolve, reject) => {
        waiting.push({ item, keys: options.keysOf?.(item) ?? [], size, resolve, reject })
        waitingSize += size
        // Items of the same turn of the event loop share a call as well.
        if (!isStarting) setImmediate(start)
        isStarting = true
      })
    },
    drain() {
      if (inFlight === 0 && waiting.length === 0) return Promise.resolve()
      return new Promise((resolve) => drained.push(resolve))
    },
  }
}

/**
 * Runs the work of all items together, or of each item alone where one of them may be at fault, so that it fails alone.
 * A failure that lies in no item, a database that is away for example, ends the attempts and is the outcome of all that
 * are left. `maxAtOnce` are run alone at the same time, so that one that waits for long holds up no other. Never rejects;
 * the outcomes are in the order of the items.
 */
export async function togetherOrEach<Item, Result>(
  items: Item[],
  run: (items: Item[]) => Promise<Result[]>,
  isItemFault: (error: unknown) => boolean,
  maxAtOnce = 1,
): Promise<Array<PromiseSettledResult<Result>>> {
  const failed = (reason: unknown) => ({ status: 'rejected' as const, reason })
  try {
    return await runAll(items, run)
  } catch (error) {
    if (items.length === 1 || !isItemFault(error)) return items.map(() => failed(error))
  }
  const limit = pLimit(maxAtOnce)
  let ended: PromiseRejectedResult | undefined
  const runAlone = async (item: Item): Promise<PromiseSettledResult<Result>> => {
    if (ended !== undefined) return ended
    try {
      return { status: 'fulfilled', value: await runOne(item, run) }
    } catch (error) {
      if (!isItemFault(error)) ended = failed(error)
      return failed(error)
    }
  }
  return Promise.all(items.map((item) => limit(runAlone, item)))
}

async function runOne<Item, Result>(item: Item, run: (items: Item[]) => Promise<Result[]>): Promise<Result> {
  const [only] = await runAll([item], run)
  if (only === undefined) throw new Error('A batch must answer every item')
  return only.value
}

async function runAll<Item, Result>(
  items: Item[],
  run: (items: Item[]) => Promise<Result[]>,
): Promise<Array<PromiseFulfilledResult<Result>>> {
  const results = await run(items)
  if (results.length !== items.length) throw new Error('A batch must answer every item')
  return results.map((value) => ({ status: 'fulfilled', value }))
}
