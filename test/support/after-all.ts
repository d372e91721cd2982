import { after } from 'node:test'

/** What runs clean-ups when it ends: a test, or a file or suite by its `after`. */
export type EndsLater = { after(cleanUp: () => Promise<void>): void }

/** Cleans up when the context ends, last first, so that a database outlives its users; every clean-up runs, even after one that fails. */
export function lastFirst(context: EndsLater): EndsLater {
  const cleanUps = new AsyncDisposableStack()
  context.after(() => cleanUps.disposeAsync())
  return { after: (cleanUp) => cleanUps.defer(cleanUp) }
}

/** Cleans up after all tests of the file or suite around, last first. */
export function afterAll(): EndsLater {
  return lastFirst({ after })
}
