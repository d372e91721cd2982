import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createDeps } from '../../src/deps.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { startWorkers } from '../../workers/start-workers.ts'
import { eventually } from '../support/eventually.ts'
import { startTestSystem } from '../support/test-system.ts'
import { inDays } from './wishes.ts'

const smallTenants = 12
const bigListings = 60
const bigAccount = 30_000

it('tenants with one change each do not wait behind the long list of another', async (t) => {
  const system = await startTestSystem(t, { workers: false, outboundTimes: { settleMs: 0 } })
  const accounts = [bigAccount, ...Array.from({ length: smallTenants }, (_, index) => 20_000 + index)]
  const range = { from: inDays(5), to: inDays(5), available: false }
  for (const accountId of accounts) {
    const count = accountId === bigAccount ? bigListings : 1
    const apiKey = `key-of-${accountId}`
    const tenant = `tenant-${accountId}`
    const { listings } = await system.control.addAccount({
      accountId,
      apiKey,
      listings: Array.from({ length: count }, (_, index) => ({ name: `Listing ${index}` })),
    })
    await system.connect({ tenant, accountId, apiKey })
    const events = listings.map(({ listing }) => ({
      type: 'availability.updated',
      unitId: `hostaway-${listing.id}`,
      ranges: [range],
    }))
    const answer = await system.api('POST', `/v1/events?tenant=${tenant}`, events)
    assert.equal(answer.status, 202)
  }
  await system.control.clearCalls()

  // All accounts leave through one address, which allows fewer calls than there are tenants.
  const config = { ...system.config, HOSTAWAY_RATE_LIMIT_PROFILE: 'custom:5/1s,100/1s', METRICS_PORT: 0 }
  const deps = await createDeps(config, {
    role: 'test',
    log: createLogger({ level: 'silent', role: 'test' }),
  })
  const workers = await startWorkers(deps)
  t.after(async () => {
    await workers.close()
    await deps.close()
  })
  const writes = () => system.control.calls({ method: 'PUT' })
  const small = await eventually(
    async () => {
      const done = new Set((await writes()).map(({ accountId }) => accountId))
      done.delete(bigAccount)
      assert.equal(done.size, smallTenants)
      return done
    },
    { timeoutMs: 30_000 },
  )
  const all = await writes()
  const lastOfSmall = all.findLastIndex(({ accountId }) => small.has(accountId ?? 0))
  // In the order of their arrival they would wait for the whole list.
  assert.ok(lastOfSmall + 1 <= 2 * smallTenants, `they waited for ${lastOfSmall + 1} calls`)
})
