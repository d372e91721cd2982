import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../local/free-port.ts'
import { type ControlClient, createControlClient } from '../sandbox/control-client.ts'
import { startSandbox } from '../sandbox/start-sandbox.ts'
import { acquire } from '../src/platform/process/acquire.ts'
import { generateKeyRingEntry } from '../src/platform/vault/vault.ts'
import { startServer } from './child-processes.ts'
import type { Backend, Services } from './services.ts'

const adminToken = 'admin-token-of-the-benchmarks'
const firstAccount = 30_001
const eventsPerRequest = 1_000
const patienceMs = 300_000
const dayMs = 86_400_000

export type Event = { type: string; unitId: string; [key: string]: unknown }

export type OutboundSystemOptions = {
  backend: Backend
  /** Listings of each account that is connected, one tenant each. */
  listings: number[]
  /** Limits of the sandbox, and those that the API and the workers keep to. */
  limits: { sandbox: string; api: string; workers: string }
}

/** One connected account of a tenant of its own. */
export type ConnectedAccount = { accountId: number; tenant: string; connectionId: string; units: string[] }

export type OutboundSystem = {
  control: ControlClient
  accounts: ConnectedAccount[]
  startWorkers(count: number): Promise<void>
  stopWorkers(): Promise<void>
  post(account: ConnectedAccount, events: Event[]): Promise<void>
  pendingDays(account: ConnectedAccount): Promise<number>
  /** Waits until nothing of an account is pending; throws where something failed. */
  settled(account: ConnectedAccount): Promise<void>
  stop(): Promise<void>
}

/** The product as processes against a sandbox in this one, with accounts connected and workers to be started. */
export async function startOutboundSystem(
  services: Services,
  options: OutboundSystemOptions,
): Promise<OutboundSystem> {
  return acquire((releases) => start(services, options, releases))
}

async function start(
  services: Services,
  { backend, listings, limits }: OutboundSystemOptions,
  releases: AsyncDisposableStack,
): Promise<OutboundSystem> {
  const databaseUrl = await services.freshDatabase()
  releases.defer(() => services.dropDatabase(databaseUrl))
  const sandbox = await startSandbox({
    port: 0,
    tokenDelayMs: 0,
    rateLimitProfile: limits.sandbox,
    defaultAccount: false,
  })
  releases.defer(() => sandbox.close())
  const control = createControlClient(sandbox.controlUrl)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const env = {
    PORT: String(port),
    DATABASE_URL: databaseUrl,
    ENCRYPTION_KEYS: generateKeyRingEntry('bench'),
    ADMIN_API_TOKEN: adminToken,
    HOSTAWAY_API_URL: sandbox.apiUrl,
    LOG_LEVEL: 'warn',
    ...(backend === 'redis' && services.redis !== undefined ? { REDIS_URL: services.redis.url } : {}),
  }
  const logFile = `${services.logFolder}/outbound-${backend}.log`
  const api = await startServer('src/server.ts', {
    url,
    env: { ...env, HOSTAWAY_RATE_LIMIT_PROFILE: limits.api },
    logFile,
  })
  releases.defer(() => api.stop())

  let workers: Array<{ stop(): Promise<void> }> = []
  async function stopWorkers(): Promise<void> {
    await Promise.all(workers.map((worker) => worker.stop()))
    workers = []
  }
  releases.defer(stopWorkers)

  async function request<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (answer.status === 503 && method === 'GET') {
      // In the middle of a burst there may be no room for who only looks.
      await answer.text()
      await pause(500)
      return request(method, path, body)
    }
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`)
    return (await answer.json()) as Answer
  }

  async function connectAccount(accountId: number, listingCount: number): Promise<ConnectedAccount> {
    const tenant = `bench-${accountId}`
    const apiKey = `key-of-${accountId}`
    const made = await control.addAccount({
      accountId,
      apiKey,
      listings: Array.from({ length: listingCount }, (_, index) => ({
        name: `Listing ${index}`,
        currencyCode: 'EUR',
        timeZoneName: 'Europe/Stockholm',
      })),
    })
    await request('POST', '/v1/tenants', { slug: tenant, name: tenant })
    const connecting = { tenant, channel: 'hostaway', accountId, apiKey }
    const { id } = await request<{ id: string }>('POST', '/v1/connections', connecting)
    const units = made.listings.map(({ listing }) => `hostaway-${listing.id}`)
    return { accountId, tenant, connectionId: id, units }
  }

  const accounts: ConnectedAccount[] = []
  for (const [index, count] of listings.entries()) {
    accounts.push(await connectAccount(firstAccount + index, count))
  }

  const statusOf = ({ connectionId }: ConnectedAccount) =>
    request<{ pendingDays: number; failedDays: number }>('GET', `/v1/connections/${connectionId}/sync`)

  return {
    control,
    accounts,
    stopWorkers,
    async startWorkers(count) {
      for (let number = 0; number < count; number += 1) {
        const metricsPort = await freePort()
        const worker = await startServer('workers/main.ts', {
          url: `http://127.0.0.1:${metricsPort}`,
          env: { ...env, HOSTAWAY_RATE_LIMIT_PROFILE: limits.workers, METRICS_PORT: String(metricsPort) },
          logFile,
        })
        workers.push(worker)
      }
    },
    async post({ tenant }, events) {
      const requests = []
      for (let start = 0; start < events.length; start += eventsPerRequest) {
        const some = events.slice(start, start + eventsPerRequest)
        requests.push(request('POST', `/v1/events?tenant=${tenant}`, some))
      }
      await Promise.all(requests)
    },
    pendingDays: async (account) => (await statusOf(account)).pendingDays,
    async settled(account) {
      const deadline = Date.now() + patienceMs
      for (;;) {
        const { pendingDays, failedDays } = await statusOf(account)
        if (failedDays > 0) throw new Error(`${failedDays} days failed`)
        if (pendingDays === 0) return
        if (Date.now() > deadline) throw new Error('The edits did not converge')
        await pause(100)
      }
    },
    stop: () => releases.disposeAsync(),
  }
}

/** Availability of a listing over a range of days, both ends included. */
export function availability(unitId: string, from: string, to: string, available: boolean): Event {
  return { type: 'availability.updated', unitId, ranges: [{ from, to, available }] }
}

/** The plain day so many days from now. */
export function inDays(days: number): string {
  return new Date(Date.now() + days * dayMs).toISOString().slice(0, 10)
}
