import pino from 'pino'
import { createBreaker } from '../../src/channels/hostaway/breaker.ts'
import { createHostawayClient } from '../../src/channels/hostaway/client.ts'
import { openDatabase } from '../../src/platform/db/database.ts'
import { AppError } from '../../src/platform/errors.ts'
import { createLimiter } from '../../src/platform/limiter/limiter.ts'
import { parseRateLimitProfile } from '../../src/platform/limiter/rate-limit-profile.ts'
import { createMetrics } from '../../src/platform/telemetry/metrics.ts'

// A process of its own that calls as often as it is let, from several tasks at once, until it is ended.
const [databaseUrl = '', apiUrl = '', profile = '', tasks = '4'] = process.argv.slice(2)
const db = openDatabase({ url: databaseUrl, maxConnections: 3, applicationName: 'hammer' })
const metrics = createMetrics()
const limiter = createLimiter({ db, profile: parseRateLimitProfile(profile), egressId: 'test', metrics })
const breaker = createBreaker({
  enabled: false,
  threshold: 10,
  windowMs: 1_000,
  resetMs: 1_000,
  onState: () => {},
})
const log = pino({ level: 'silent' })
const client = createHostawayClient({ apiUrl, timeoutMs: 10_000, limiter, breaker, metrics, log })
const call = { accountId: '10001', token: 'token', urgency: 'urgent', maxWaitMs: 60_000 } as const

async function hammer(): Promise<void> {
  for (;;) {
    await client.listWebhooks(call).catch((error: unknown) => {
      if (!(error instanceof AppError)) throw error
    })
  }
}

await Promise.all(Array.from({ length: Number(tasks) }, hammer))
