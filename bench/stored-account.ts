import { setConnectionStatus } from '../src/connections/connection-status-store.ts'
import { insertConnection } from '../src/connections/connection-store.ts'
import { upsertListings } from '../src/listings/listing-store.ts'
import { openDatabase } from '../src/platform/db/database.ts'
import { createVault, generateKeyRingEntry, parseKeyRing } from '../src/platform/vault/vault.ts'
import { ensureTenant } from '../src/tenants/tenant-store.ts'
import type { Environment } from './child-processes.ts'
import type { Backend, Services } from './services.ts'
import { accountId, firstListing, listingCount } from './webhook-bodies.ts'

export const adminToken = 'admin-token-of-the-benchmarks'

/** A connected account in a database of its own, and what the processes of the product need to serve it. */
export type StoredAccount = {
  databaseUrl: string
  tenantId: string
  connectionId: string
  /** Headers with which Hostaway would deliver. */
  headers: Record<string, string>
  login: string
  password: string
  env: Environment
}

const keys = generateKeyRingEntry('bench')

/** Writes tenant, connection and listings through the product's own stores: nothing has to be asked of Hostaway. */
export async function storeAccount(services: Services, backend: Backend): Promise<StoredAccount> {
  const databaseUrl = await services.freshDatabase()
  const db = openDatabase({ url: databaseUrl, maxConnections: 2, applicationName: 'bench' })
  const [login, password] = ['bench-login', 'bench-password-0123456789abcdef']
  try {
    const tenant = await ensureTenant(db, 'bench')
    const connectionId = await insertConnection(db, createVault(parseKeyRing(keys)), {
      channel: 'hostaway',
      tenantId: tenant.id,
      accountId,
      autoImport: true,
      autoMapListings: true,
      webhookAuth: 'basic',
      alertingEmailAddress: null,
      webhookUrl: (id) => `http://127.0.0.1/webhooks/hostaway/${id}`,
      apiKey: 'not-used',
      webhookLogin: login,
      webhookPassword: password,
      webhookHmacSecret: null,
    })
    if (connectionId === undefined) throw new Error('The database was not fresh')
    const connection = { id: connectionId, tenantId: tenant.id, channel: 'hostaway' }
    const listings = Array.from({ length: listingCount }, (_, index) => ({
      listingId: String(firstListing + index),
      name: `Listing ${index}`,
      currency: 'EUR',
      timeZone: 'Europe/Stockholm',
      unitCount: 1,
    }))
    await upsertListings(db, connection, listings, true)
    const reactions = { statusChanged: async () => {} }
    await setConnectionStatus({ db, reactions }, connectionId, 'active')
    const basic = Buffer.from(`${login}:${password}`).toString('base64')
    return {
      databaseUrl,
      tenantId: tenant.id,
      connectionId,
      headers: { 'content-type': 'application/json', authorization: `Basic ${basic}` },
      login,
      password,
      env: {
        DATABASE_URL: databaseUrl,
        ENCRYPTION_KEYS: keys,
        ADMIN_API_TOKEN: adminToken,
        // Nothing listens there: a measurement that called Hostaway would fail, not lie.
        HOSTAWAY_API_URL: 'http://127.0.0.1:9/v1',
        ...(backend === 'redis' ? { REDIS_URL: requireRedis(services) } : {}),
      },
    }
  } finally {
    await db.destroy()
  }
}

function requireRedis(services: Services): string {
  if (services.redis === undefined) throw new Error('There is no redis-server on PATH')
  return services.redis.url
}
