import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createDeps } from '../../src/deps.ts'
import { createLogger } from '../../src/platform/telemetry/logger.ts'
import { startWorkers } from '../../workers/start-workers.ts'
import { inDays } from '../support/desired-events.ts'
import { eventually } from '../support/eventually.ts'
import { startTestSystem } from '../support/test-system.ts'

const smallAccounts = Array.from({ length: 20 }, (_, index) => 20_000 + index)
const bigAccount = 30_000
const bigListings = 60

it('tenants with one change each are done within 1.2 times their own calls, however long the list of another', async (t) => {
  const system = await startTestSystem(t, { workers: false, outboundTimes: { settleMs: 0 } })

  async function connectAndDesire(accountId: number, listingCount: number): Promise<void> {
    const apiKey = `key-of-${accountId}`
    const tenant = `tenant-${accountId}`
    const { listings } = await system.control.addAccount({
      accountId,
      apiKey,
      listings: Array.from({ length: listingCount }, (_, index) => ({ name: `Listing ${index}` })),
    })
    await system.connect({ tenant, accountId, apiKey })
    const events = listings.map(({ listing }) => ({
      type: 'availability.updated',
      unitId: `hostaway-${listing.id}`,
      ranges: [{ from: inDays(5), to: inDays(5), available: false }],
    }))
    const answer = await system.api('POST', `/v1/events?tenant=${tenant}`, events)
    assert.equal(answer.status, 202)
  }
  await connectAndDesire(bigAccount, bigListings)
  await Promise.all(smallAccounts.map((accountId) => connectAndDesire(accountId, 1)))
  await system.control.clearCalls()

  // All accounts leave through one address. Two of its windows have room for 1.2 times the calls of the small tenants.
  const config = { ...system.config, HOSTAWAY_RATE_LIMIT_PROFILE: 'custom:12/2s,100/1s', METRICS_PORT: 0 }
  const deps = await createDeps(config, {
    role: 'test',
    log: createLogger({ level: 'silent', role: 'test' }),
  })
  const workers = await startWorkers(deps)
  t.after(async () => {
    await workers.close()
    await deps.close()
  })
  const accountsOfWrites = async () =>
    (await system.control.calls({ method: 'PUT' })).map(({ accountId }) => accountId)
  await eventually(
    async () => {
      const done = new Set(await accountsOfWrites())
      assert.ok(smallAccounts.every((accountId) => done.has(accountId)))
    },
    { timeoutMs: 30_000 },
  )
  const all = await accountsOfWrites()
  const needed = all.findLastIndex((accountId) => accountId !== bigAccount) + 1
  // In the order of their arrival they would wait for the whole list.
  assert.ok(needed <= 1.2 * smallAccounts.length, `they waited for ${needed} calls`)
  assert.ok(all.length < bigListings + smallAccounts.length)
})
