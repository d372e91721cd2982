import { before } from 'node:test'
import { afterAll } from '../support/after-all.ts'
import { startTestSystem, type TestSystem } from '../support/test-system.ts'

export type ConnectionView = {
  id: string
  tenant: string
  accountId: string
  status: string
  keySetAt: string
  webhook: { id: string | null; url: string; secret?: string }
}

const apiTimeoutMs = 2_000

/** One system for a suite of tests that connect, each on a tenant and an account of its own. */
export function useConnectFixture() {
  const context = afterAll()
  let system: TestSystem
  let lastNumber = 0

  before(async () => {
    system = await startTestSystem(context, {
      workers: false,
      settings: {
        HOSTAWAY_API_TIMEOUT_MS: String(apiTimeoutMs),
        HOSTAWAY_CIRCUIT_BREAKER_ENABLED: 'false',
      },
    })
  })

  /** A tenant and an account of their own. */
  async function newPair() {
    lastNumber += 1
    const accountId = 50_000 + lastNumber
    const tenant = `tenant-${lastNumber}`
    const apiKey = `key-of-${accountId}`
    await system.control.addAccount({ accountId, apiKey, listings: [{ name: `Listing of ${accountId}` }] })
    await system.api('POST', '/v1/tenants', { slug: tenant, name: tenant })
    const request = { tenant, channel: 'hostaway', accountId, apiKey }
    return { accountId, tenant, apiKey, request }
  }

  const connect = (request: Record<string, unknown>) =>
    system.api<ConnectionView>('POST', '/v1/connections', request)

  async function webhooksOf(accountId: number) {
    return (await system.control.state(accountId)).webhooks
  }

  async function storedOf(tenant: string) {
    return system.db
      .selectFrom('hostaway_connections')
      .innerJoin('tenants', 'tenants.id', 'tenant_id')
      .selectAll('hostaway_connections')
      .where('slug', '=', tenant)
      .executeTakeFirst()
  }

  return { system: () => system, newPair, connect, webhooksOf, storedOf }
}
