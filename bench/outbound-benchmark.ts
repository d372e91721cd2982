import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../local/free-port.ts'
import { createControlClient } from '../sandbox/control-client.ts'
import { startSandbox } from '../sandbox/start-sandbox.ts'
import { generateKeyRingEntry } from '../src/vault.ts'
import { startServer } from './child-processes.ts'
import { percentiles } from './percentiles.ts'
import type { Backend, Services } from './services.ts'

const adminToken = 'admin-token-of-the-benchmarks'
const accountId = 30_001
const listingCount = 500
const idleEdits = 30
const burstEdits = 10_000
const eventsPerRequest = 1_000
const firstOffset = 30
const yearDays = 365
const intervalsPerCall = 200
const patienceMs = 300_000
const dayMs = 86_400_000

type Event = { type: string; unitId: string; [key: string]: unknown }

/** What edits cost in calls and in time, through an API and a worker process against the sandbox without limits. */
export async function measureOutbound(services: Services, backend: Backend) {
  const product = await startProduct(services, backend)
  try {
    return [
      await measureIdleLatency(product, backend),
      await measureBurst(product, backend),
      await measureYear(product, backend),
    ]
  } finally {
    await product.stop()
  }
}

type Product = Awaited<ReturnType<typeof startProduct>>

async function startProduct(services: Services, backend: Backend) {
  const databaseUrl = await services.freshDatabase()
  const sandbox = await startSandbox({
    port: 0,
    tokenDelayMs: 0,
    rateLimitProfile: 'off',
    defaultAccount: false,
  })
  const control = createControlClient(sandbox.controlUrl)
  const apiKey = 'key-of-the-benchmark'
  const { listings } = await control.addAccount({
    accountId,
    apiKey,
    listings: Array.from({ length: listingCount }, (_, index) => ({
      name: `Listing ${index}`,
      currencyCode: 'EUR',
      timeZoneName: 'Europe/Stockholm',
    })),
  })
  const [port, metricsPort] = [await freePort(), await freePort()]
  const env = {
    PORT: String(port),
    METRICS_PORT: String(metricsPort),
    DATABASE_URL: databaseUrl,
    ENCRYPTION_KEYS: generateKeyRingEntry('bench'),
    ADMIN_API_TOKEN: adminToken,
    HOSTAWAY_API_URL: sandbox.apiUrl,
    HOSTAWAY_RATE_LIMIT_PROFILE: 'custom:5000/1s,5000/1s',
    LOG_LEVEL: 'warn',
    ...(backend === 'redis' && services.redis !== undefined ? { REDIS_URL: services.redis.url } : {}),
  }
  const url = `http://127.0.0.1:${port}`
  const logFile = `${services.logFolder}/outbound-${backend}.log`
  const api = await startServer('src/server.ts', { url, env, logFile })
  const worker = await startServer('workers/main.ts', {
    url: `http://127.0.0.1:${metricsPort}`,
    env,
    logFile,
  })

  async function request<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`)
    return (await answer.json()) as Answer
  }

  await request('POST', '/v1/tenants', { slug: 'bench', name: 'bench' })
  const connection = await request<{ id: string }>('POST', '/v1/connections', {
    tenant: 'bench',
    channel: 'hostaway',
    accountId,
    apiKey,
  })

  return {
    control,
    units: listings.map(({ listing }) => `hostaway-${listing.id}`),
    post: (events: Event[]) => request('POST', '/v1/events?tenant=bench', events),
    /** Waits until nothing is pending. */
    async settled(): Promise<void> {
      const deadline = Date.now() + patienceMs
      for (;;) {
        const status = await request<{ pendingDays: number; failedDays: number }>(
          'GET',
          `/v1/connections/${connection.id}/sync`,
        )
        if (status.failedDays > 0) throw new Error(`${status.failedDays} days failed`)
        if (status.pendingDays === 0) return
        if (Date.now() > deadline) throw new Error('The edits did not converge')
        await pause(100)
      }
    },
    async stop() {
      await worker.stop()
      await api.stop()
      await sandbox.close()
      await services.dropDatabase(databaseUrl)
    },
  }
}

async function measureIdleLatency(product: Product, backend: Backend) {
  const latencies: number[] = []
  for (const unitId of product.units.slice(0, idleEdits)) {
    await product.control.clearCalls()
    const postedAt = Date.now()
    await product.post([availability(unitId, inDays(firstOffset), inDays(firstOffset), false)])
    for (;;) {
      const [call] = await product.control.calls({ method: 'PUT' })
      if (call !== undefined) {
        latencies.push(call.arrivedAtMs - postedAt)
        break
      }
      await pause(10)
    }
    await product.settled()
  }
  const { p50, p99, max } = percentiles(latencies)
  return {
    queue: backend,
    what: `${idleEdits} single edits when idle (of this 500 ms settling)`,
    calls: 1,
    'calls at most': 1,
    'p50 ms': p50,
    'p99 ms': p99,
    'max ms': max,
  }
}

async function measureBurst(product: Product, backend: Backend) {
  await product.control.clearCalls()
  const [unitId = ''] = product.units
  const events = Array.from({ length: burstEdits }, (_, index) => {
    const day = inDays(firstOffset + (index % yearDays))
    return availability(unitId, day, day, Math.floor(index / yearDays) % 2 === 0)
  })
  const startedAt = Date.now()
  const requests = []
  for (let start = 0; start < events.length; start += eventsPerRequest) {
    requests.push(product.post(events.slice(start, start + eventsPerRequest)))
  }
  await Promise.all(requests)
  const acceptedMs = Date.now() - startedAt
  await product.settled()
  return {
    queue: backend,
    what: `${burstEdits} edits of one listing, accepted within ${acceptedMs} ms`,
    calls: (await product.control.calls({ method: 'PUT' })).length,
    'calls at most': 2,
    'seconds until converged': (Date.now() - startedAt) / 1_000,
  }
}

async function measureYear(product: Product, backend: Backend) {
  await product.control.clearCalls()
  const from = firstOffset + yearDays + 5
  const prices = Array.from({ length: yearDays }, (_, index) => {
    const weekday = new Date(Date.now() + (from + index) * dayMs).getUTCDay()
    return weekday === 6 || weekday === 0 ? 200 + index - (weekday === 0 ? 1 : 0) : 100
  })
  const events = product.units.map((unitId) => ({
    type: 'pricing.updated',
    unitId,
    currency: 'EUR',
    ranges: prices.map((price, index) => ({ from: inDays(from + index), to: inDays(from + index), price })),
  }))
  const startedAt = Date.now()
  for (let start = 0; start < events.length; start += 50) await product.post(events.slice(start, start + 50))
  const acceptedMs = Date.now() - startedAt
  await product.settled()
  const least = listingCount * Math.ceil(fewestStretches(prices) / intervalsPerCall)
  return {
    queue: backend,
    what: `${listingCount} listings x ${yearDays} days, another price every weekend, accepted within ${acceptedMs} ms`,
    calls: (await product.control.calls({ method: 'PUT' })).length,
    'calls at most': least,
    'seconds until converged': (Date.now() - startedAt) / 1_000,
  }
}

/** The fewest stretches of equal prices, by trying every end of every last stretch. */
function fewestStretches(prices: number[]): number {
  const fewest = [0]
  for (let end = 1; end <= prices.length; end += 1) {
    fewest[end] = Number.POSITIVE_INFINITY
    for (let start = end - 1; start >= 0 && prices[start] === prices[end - 1]; start -= 1) {
      fewest[end] = Math.min(fewest[end] ?? 0, (fewest[start] ?? 0) + 1)
    }
  }
  return fewest[prices.length] ?? 0
}

function availability(unitId: string, from: string, to: string, available: boolean): Event {
  return { type: 'availability.updated', unitId, ranges: [{ from, to, available }] }
}

function inDays(days: number): string {
  return new Date(Date.now() + days * dayMs).toISOString().slice(0, 10)
}
