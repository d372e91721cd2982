import { after } from 'node:test'

/** What cleans up later: the context of a test, or all tests of a file or a suite by way of `afterAll`. */
export type EndsLater = { after(cleanUp: () => Promise<void>): void }

/** Stands in for the context of a test after which it cleans up: runs every clean-up, last first, after all tests of the file or suite around. */
export function afterAll(): EndsLater {
  const cleanUps = new AsyncDisposableStack()
  after(() => cleanUps.disposeAsync())
  return { after: (cleanUp) => cleanUps.defer(cleanUp) }
}
