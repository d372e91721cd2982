import assert from 'node:assert/strict'
import { it } from 'node:test'
import { openDatabase } from '../../../src/platform/db/database.ts'
import { createLimiter } from '../../../src/platform/limiter/limiter.ts'
import { createMetrics } from '../../../src/platform/telemetry/metrics.ts'
import { createTestDatabase } from '../../support/test-database.ts'

it('the first calls of many accounts through many processes at once are all granted', async (t) => {
  const pools: Array<{ destroy(): Promise<void> }> = []
  t.after(() => Promise.all(pools.map((pool) => pool.destroy())))
  const url = await createTestDatabase({ after: (drop) => t.after(drop) })
  const limiters = Array.from({ length: 6 }, () => {
    const db = openDatabase({ url, maxConnections: 4, applicationName: 'process' })
    pools.push(db)
    const profile = {
      ip: { limit: 1_000, milliseconds: 1_000 },
      account: { limit: 1_000, milliseconds: 1_000 },
    }
    return createLimiter({ db, profile, egressId: 'shared', metrics: createMetrics() })
  })
  // The first caller creates missing rows of windows; two of them must not wait for each other.
  for (let round = 0; round < 5; round += 1) {
    const accounts = ['a', 'b', 'c', 'd'].map((name) => `${name}${round}`)
    const calls = limiters.flatMap((limiter) =>
      accounts.map((accountId) => limiter.acquire({ accountId, urgency: 'urgent' })),
    )
    for (const call of await Promise.all(calls)) assert.equal(call.granted, true)
  }
})
