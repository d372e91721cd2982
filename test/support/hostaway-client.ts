import { Writable } from 'node:stream'
import pino from 'pino'
import { type BreakerOptions, createBreaker } from '../../src/channels/hostaway/breaker.ts'
import { createHostawayClient } from '../../src/channels/hostaway/client.ts'
import { openDatabase } from '../../src/platform/db/database.ts'
import { createLimiter } from '../../src/platform/limiter/limiter.ts'
import { parseRateLimitProfile } from '../../src/platform/limiter/rate-limit-profile.ts'
import { createMetrics } from '../../src/platform/telemetry/metrics.ts'
import type { EndsLater } from './after-all.ts'
import { createTestDatabase } from './test-database.ts'

type ClientOptions = {
  apiUrl: string
  timeoutMs?: number
  profile?: string
  breaker?: Partial<BreakerOptions>
}

/** The real client with its limiter and breaker on a database of its own; what it logs is kept as text. */
export async function openHostawayClient(
  context: EndsLater,
  { apiUrl, timeoutMs = 5_000, profile = 'custom:10000/1s,10000/1s', breaker: changes = {} }: ClientOptions,
) {
  const db = openDatabase({
    url: await createTestDatabase(context),
    maxConnections: 4,
    applicationName: 'test',
  })
  const metrics = createMetrics()
  const logged: string[] = []
  const log = pino(
    { level: 'trace' },
    new Writable({
      write: (chunk, _encoding, done) => {
        logged.push(String(chunk))
        done()
      },
    }),
  )
  const breaker = createBreaker({
    enabled: false,
    threshold: 10,
    windowMs: 120_000,
    resetMs: 60_000,
    onState: () => {},
    ...changes,
  })
  const limiter = createLimiter({ db, profile: parseRateLimitProfile(profile), egressId: 'test', metrics })
  const client = createHostawayClient({ apiUrl, timeoutMs, limiter, breaker, metrics, log })
  context.after(async () => {
    client.close()
    breaker.close()
    await db.destroy()
  })
  return { client, limiter, breaker, metrics, db, log, logged }
}
