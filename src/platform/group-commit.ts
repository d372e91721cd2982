import { AppError } from './errors.ts'

export type GroupCommitOptions<Row> = {
  /** Writes all rows in one committed statement, or none. */
  write: (rows: Row[]) => Promise<void>
  /** Called after a commit with what was written; must not throw. */
  written: (rows: Row[]) => void
  /** Whether an error lies in the data of a row, so that its neighbours may still be written. */
  isDataError: (error: unknown) => boolean
  bytesOf: (row: Row) => number
  maxRows: number
  maxBytes: number
  maxInFlight: number
  maxWaiting: number
  maxWaitingBytes: number
}

export type GroupCommit<Row> = {
  /** Resolves once the row is committed; rejects at once where there is no room. */
  add(row: Row): Promise<void>
  /** Resolves when everything that was added has been answered. */
  drain(): Promise<void>
}

type Entry<Row> = { row: Row; bytes: number; resolve: () => void; reject: (error: unknown) => void }

/**
 * Lets concurrent callers share statements: whoever comes while a statement is under way goes with the next one.
 * There is no timer, so a lone row waits for nobody. A row at fault fails alone.
 */
export function createGroupCommit<Row>(options: GroupCommitOptions<Row>): GroupCommit<Row> {
  const waiting: Entry<Row>[] = []
  let waitingBytes = 0
  let inFlight = 0
  let idle: Array<() => void> = []

  function start(): void {
    while (inFlight < options.maxInFlight && waiting.length > 0) {
      const batch = takeBatch()
      inFlight += 1
      void commit(batch).finally(() => {
        inFlight -= 1
        start()
        if (inFlight === 0 && waiting.length === 0) {
          for (const resolve of idle) resolve()
          idle = []
        }
      })
    }
  }

  function takeBatch(): Entry<Row>[] {
    let bytes = 0
    let count = 0
    for (const entry of waiting) {
      if (count === options.maxRows || (count > 0 && bytes + entry.bytes > options.maxBytes)) break
      bytes += entry.bytes
      count += 1
    }
    waitingBytes -= bytes
    return waiting.splice(0, count)
  }

  async function commit(batch: Entry<Row>[]): Promise<void> {
    try {
      await write(batch)
    } catch (error) {
      if (batch.length > 1 && options.isDataError(error)) await commitOneByOne(batch)
      else for (const entry of batch) entry.reject(error)
    }
  }

  async function commitOneByOne(batch: Entry<Row>[]): Promise<void> {
    for (const [index, entry] of batch.entries()) {
      try {
        await write([entry])
      } catch (error) {
        if (options.isDataError(error)) entry.reject(error)
        else {
          // The database is away now: waiting for each of the others in turn would hold this place for minutes.
          for (const left of batch.slice(index)) left.reject(error)
          return
        }
      }
    }
  }

  async function write(batch: Entry<Row>[]): Promise<void> {
    const rows = batch.map(({ row }) => row)
    await options.write(rows)
    options.written(rows)
    for (const entry of batch) entry.resolve()
  }

  return {
    add(row) {
      const bytes = options.bytesOf(row)
      if (waiting.length >= options.maxWaiting || waitingBytes + bytes > options.maxWaitingBytes) {
        return Promise.reject(new AppError('database_unavailable', 'There is no room for another webhook'))
      }
      return new Promise((resolve, reject) => {
        waiting.push({ row, bytes, resolve, reject })
        waitingBytes += bytes
        // Requests that arrived in the same turn of the event loop share the first statement as well.
        if (waiting.length === 1) setImmediate(start)
      })
    },
    drain() {
      if (inFlight === 0 && waiting.length === 0) return Promise.resolve()
      return new Promise((resolve) => idle.push(resolve))
    },
  }
}
