import { setTimeout as pause } from 'node:timers/promises'
import { availability, inDays, type OutboundSystem, startOutboundSystem } from './outbound-system.ts'
import { percentiles } from './percentiles.ts'
import type { Backend, Services } from './services.ts'

const listingCount = 500
const idleEdits = 30
const burstEdits = 10_000
const firstOffset = 30
const yearDays = 365
const intervalsPerCall = 200
const dayMs = 86_400_000
const raised = 'custom:5000/1s,5000/1s'

/** What edits cost in calls and in time, through an API and a worker process against the sandbox without limits. */
export async function measureOutbound(services: Services, backend: Backend) {
  const limits = { sandbox: 'off', api: raised, workers: raised }
  const system = await startOutboundSystem(services, { backend, listings: [listingCount], limits })
  try {
    await system.startWorkers(1)
    const product = productOf(system)
    return [
      await measureIdleLatency(product, backend),
      await measureBurst(product, backend),
      await measureYear(product, backend),
    ]
  } finally {
    await system.stop()
  }
}

type Product = ReturnType<typeof productOf>

function productOf({ control, accounts, post, settled }: OutboundSystem) {
  const [account] = accounts
  if (account === undefined) throw new Error('There is no account')
  return {
    control,
    units: account.units,
    post: (events: Parameters<OutboundSystem['post']>[1]) => post(account, events),
    settled: () => settled(account),
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
  await product.post(events)
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
