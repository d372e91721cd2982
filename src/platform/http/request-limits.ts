import type { FastifyInstance, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { Problem } from './problems.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** How often a tenant may call the route in a minute, where that is less than all its requests together. */
    perMinute?: number
    /** Whether a request may take long or hold much; a tenant has two of them worked on at a time, the others wait. */
    isHeavy?: boolean
  }
  interface FastifyRequest {
    leaveHeavy?: () => void
  }
}

export type RequestLimits = { perToken: number; perTenant: number }

const maxKnown = 20_000
const heavyAtOnce = 2
const maxHeavyWaiting = 20
const minuteMs = 60_000

/**
 * Gives each token and tenant its part of this process: so many requests a minute, refilled evenly, and two heavy ones
 * at a time. Callers of the whole installation have no limit. Register it behind the hook that says who calls.
 */
export function useRequestLimits(app: FastifyInstance, limits: RequestLimits): void {
  const take = createBuckets()
  const heavy = new Map<string, Line>()

  app.addHook('onRequest', async (request) => {
    const { tenantId, tokenId } = request.caller
    if (tenantId === null) return
    const { perMinute } = request.routeOptions.config
    const waits = [
      take(`token ${tokenId}`, limits.perToken),
      take(`tenant ${tenantId}`, limits.perTenant),
      ...(perMinute === undefined ? [] : [take(`${request.routeOptions.url} ${tenantId}`, perMinute)]),
    ]
    const waitMs = Math.max(...waits)
    if (waitMs > 0) throw tooMany('Too many requests; the limit is per token and per tenant', waitMs)
  })

  app.addHook('preHandler', async (request) => {
    const { tenantId } = request.caller
    if (tenantId === null || request.routeOptions.config.isHeavy !== true) return
    const line = heavy.get(tenantId) ?? { running: 0, waiting: [] }
    heavy.set(tenantId, line)
    await enter(line)
    request.leaveHeavy = () => {
      leave(line)
      if (line.running === 0) heavy.delete(tenantId)
    }
  })
  const end = async (request: FastifyRequest) => {
    request.leaveHeavy?.()
    delete request.leaveHeavy
  }
  app.addHook('onResponse', end)
  app.addHook('onRequestAbort', end)
}

type Line = { running: number; waiting: Array<() => void> }

async function enter(line: Line): Promise<void> {
  if (line.running < heavyAtOnce) {
    line.running += 1
    return
  }
  if (line.waiting.length >= maxHeavyWaiting) {
    throw tooMany('Too many of these requests are under way', 1_000)
  }
  await new Promise<void>((resolve) => line.waiting.push(resolve))
}

function leave(line: Line): void {
  const next = line.waiting.shift()
  if (next === undefined) line.running -= 1
  else next()
}

// A bucket refills evenly and holds what may be taken at once: a tenth of a minute's, and at least ten.
function createBuckets(): (key: string, perMinute: number) => number {
  const buckets = new LRUCache<string, { left: number; at: number }>({ max: maxKnown })
  return (key, perMinute) => {
    const now = performance.now()
    const most = Math.max(10, perMinute / 10)
    const known = buckets.get(key) ?? { left: most, at: now }
    const left = Math.min(most, known.left + ((now - known.at) * perMinute) / minuteMs)
    buckets.set(key, { left: left >= 1 ? left - 1 : left, at: now })
    return left >= 1 ? 0 : ((1 - left) * minuteMs) / perMinute
  }
}

function tooMany(detail: string, waitMs: number): Problem {
  return new Problem(429, 'TOO_MANY_REQUESTS', detail, undefined, Math.ceil(waitMs / 1_000))
}
