import { after } from 'node:test'

/** Stands in for the context of a test: what is to be cleaned up is, last first, after all tests of the suite around. */
export function afterAll(): { after(cleanUp: () => Promise<void>): void } {
  const cleanUps: Array<() => Promise<void>> = []
  after(async () => {
    for (const cleanUp of cleanUps.toReversed()) await cleanUp()
  })
  return { after: (cleanUp) => cleanUps.push(cleanUp) }
}
