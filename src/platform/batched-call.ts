export type BatchedCallOptions<Item, Result> = {
  /** Does the work of all items together or of none; resolves to their results in the same order. */
  run: (items: Item[]) => Promise<Result[]>
  maxItems: number
  maxInFlight: number
  /** Items that share a key are never under way at the same time. */
  keysOf?: (item: Item) => string[]
}

type Entry<Item, Result> = {
  item: Item
  keys: string[]
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/**
 * Lets concurrent callers share a call: whoever comes while one is under way goes with the next one. Nobody waits for
 * company. When a shared call fails, each of its items is tried alone, so that one at fault fails alone.
 */
export function createBatchedCall<Item, Result>(
  options: BatchedCallOptions<Item, Result>,
): (item: Item) => Promise<Result> {
  const waiting: Entry<Item, Result>[] = []
  const busyKeys = new Set<string>()
  let inFlight = 0
  let isStarting = false

  function start(): void {
    isStarting = false
    while (inFlight < options.maxInFlight) {
      const batch = takeBatch()
      if (batch.length === 0) return
      inFlight += 1
      void runTogether(batch).finally(() => {
        inFlight -= 1
        for (const key of batch.flatMap(({ keys }) => keys)) busyKeys.delete(key)
        start()
      })
    }
  }

  function takeBatch(): Entry<Item, Result>[] {
    const batch: Entry<Item, Result>[] = []
    for (let index = 0; index < waiting.length && batch.length < options.maxItems; ) {
      const entry = waiting[index]
      if (entry === undefined || entry.keys.some((key) => busyKeys.has(key))) {
        index += 1
        continue
      }
      for (const key of entry.keys) busyKeys.add(key)
      batch.push(entry)
      waiting.splice(index, 1)
    }
    return batch
  }

  async function runTogether(batch: Entry<Item, Result>[]): Promise<void> {
    try {
      settle(batch, await options.run(batch.map(({ item }) => item)))
    } catch (error) {
      const [only, ...others] = batch
      if (only !== undefined && others.length === 0) only.reject(error)
      else await Promise.all(batch.map((entry) => runTogether([entry])))
    }
  }

  function settle(batch: Entry<Item, Result>[], results: Result[]): void {
    if (results.length !== batch.length) throw new Error('A batched call must answer every item')
    for (const [index, entry] of batch.entries()) entry.resolve(results[index] as Result)
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, keys: options.keysOf?.(item) ?? [], resolve, reject })
      // Items of the same turn of the event loop share a call as well.
      if (!isStarting) setImmediate(start)
      isStarting = true
    })
}
