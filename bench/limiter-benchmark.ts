import { setTimeout as pause } from 'node:timers/promises'
import { type CallLimit, parseRateLimitProfile } from '../src/platform/limiter/rate-limit-profile.ts'
import { availability, inDays, startOutboundSystem } from './outbound-system.ts'
import type { Section } from './result-table.ts'
import type { Backend, Services } from './services.ts'
import { countExceeded, simulateWindows } from './simulated-windows.ts'

export type LimiterOptions = { backend: Backend; seconds: number; workers: number; acquisitions: number }

const profiles = ['2025', '2026-08']
const accountCounts = [1, 3]
const sampleEveryMs = 10
const windowIsEmptyAfterMs = 10_500
// More than the windows of the time and of the seconds around it let through.
const spareWindows = 2

/** Pushes through several worker processes against a sandbox with strict windows, then a million simulated places. */
export async function measureLimiter(services: Services, options: LimiterOptions): Promise<Section[]> {
  const rows = []
  for (const profile of profiles) {
    for (const accounts of accountCounts) rows.push(await hammer(services, { ...options, profile, accounts }))
  }
  return [
    {
      title: `${options.workers} worker processes push for ${options.seconds} s against strict sliding windows`,
      rows,
    },
    { title: 'The limiter’s decision on a simulated clock', rows: simulate(options.acquisitions) },
  ]
}

async function hammer(
  services: Services,
  run: LimiterOptions & { profile: string; accounts: number },
): Promise<Record<string, unknown>> {
  const { profile, accounts, seconds } = run
  const { ip } = parseRateLimitProfile(profile)
  const calls = ip.limit * (Math.ceil((seconds * 1_000) / ip.milliseconds) + spareWindows)
  const system = await startOutboundSystem(services, {
    backend: run.backend,
    listings: Array.from({ length: accounts }, () => Math.ceil(calls / accounts)),
    limits: { sandbox: profile, api: profile, workers: profile },
  })
  try {
    for (const account of system.accounts) {
      const day = inDays(30)
      await system.post(
        account,
        account.units.map((unit) => availability(unit, day, day, false)),
      )
    }
    // Nothing that was needed to connect counts any more.
    await pause(windowIsEmptyAfterMs)
    await system.control.clearCalls()
    await system.startWorkers(run.workers)
    const first = await firstArrival(() => system.control.calls({ method: 'PUT', limit: 1 }))
    const until = first + seconds * 1_000
    await pause(Math.max(0, until - Date.now()))
    const made = (await system.control.calls()).filter(({ arrivedAtMs }) => arrivedAtMs < until)
    const arrivals = made.map(({ arrivedAtMs }) => arrivedAtMs)
    return {
      profile,
      accounts,
      calls: made.length,
      '429s': made.filter(({ status }) => status === 429).length,
      'windows exceeded': countExceeded(arrivals, [ip]),
      'window used %': 100 * averageUse(arrivals, ip, { from: first + ip.milliseconds, until }),
      'kinds of calls': describe(made.map(({ method, path }) => `${method} ${path.replace(/\d+/, ':id')}`)),
    }
  } finally {
    await system.stop()
  }
}

async function firstArrival(read: () => Promise<Array<{ arrivedAtMs: number }>>): Promise<number> {
  for (;;) {
    const [call] = await read()
    if (call !== undefined) return call.arrivedAtMs
    await pause(sampleEveryMs)
  }
}

/** How full a sliding window was on average, from 0 to 1. */
function averageUse(
  arrivals: number[],
  { limit, milliseconds }: CallLimit,
  { from, until }: { from: number; until: number },
): number {
  let samples = 0
  let used = 0
  for (let at = from; at < until; at += sampleEveryMs) {
    samples += 1
    used += arrivals.filter((arrival) => arrival > at - milliseconds && arrival <= at).length
  }
  return used / (samples * limit)
}

function describe(kinds: string[]): string {
  return [...Map.groupBy(kinds, (kind) => kind)].map(([kind, calls]) => `${kind} ${calls.length}`).join(', ')
}

function simulate(acquisitions: number): Record<string, unknown>[] {
  const runs = [
    { profile: '2025', callers: [40, 1, 1, 1, 1, 1, 1, 1] },
    { profile: '2025', callers: [8] },
    { profile: '2026-08', callers: [12, 12, 12] },
    { profile: 'custom:7/3s,5/2s', callers: [1, 2, 3, 4, 5] },
  ]
  return runs.map(({ profile, callers }) => {
    const startedAt = performance.now()
    const { callsOf, ...seen } = simulateWindows({
      profile: parseRateLimitProfile(profile),
      callers,
      processes: 4,
      acquisitions: Math.ceil(acquisitions / runs.length),
      chance: Math.random,
    })
    return {
      profile,
      callers: callers.join(),
      ...seen,
      calls: callsOf.join(),
      seconds: (performance.now() - startedAt) / 1_000,
    }
  })
}
