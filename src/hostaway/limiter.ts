import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { AppError, toAppError } from '../errors.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import {
  type CallWindow,
  leastAvailable,
  pauseWindow,
  saveCalls,
  type WindowScope,
  withLockedWindows,
} from './call-window-store.ts'
import type { CallLimit, RateLimitProfile } from './rate-limit-profile.ts'

/** How much of every window a call may use: urgent all of it, normal 90 %, bulk 60 %. */
export type Urgency = 'urgent' | 'normal' | 'bulk'

/** `retryAt`: the earliest instant, by this process's clock, at which a place for that urgency opens. */
export type Acquisition = { granted: true } | { granted: false; retryAt: Date }

export type Limiter = ReturnType<typeof createLimiter>

export type LimiterOptions = {
  db: Kysely<Database>
  profile: RateLimitProfile
  /** Names the egress IP; processes that leave through the same address share it. */
  egressId: string
  /** A further limit of every account, for example from `callsPerMinute`. */
  perAccount?: CallLimit
  metrics: Pick<Metrics, 'limiterAvailable'>
}

const shares = { urgent: 1, normal: 0.9, bulk: 0.6 } as const satisfies Record<Urgency, number>

// Acquiring is not arriving: a call may be this much longer on its way than the one before it without two windows'
// worth of them meeting at Hostaway.
const guardMs = 300
// A place that reached us later than this has used up its guard; it is left unused and another one is taken.
const stalestGrantMs = 150
const mostStaleGrants = 5
const longestPauseMs = 60_000

/** Sliding windows per egress IP and per account, shared through Postgres by all processes that use its database. */
export function createLimiter({ db, profile, egressId, perAccount, metrics }: LimiterOptions) {
  const ipLimits = [profile.ip]
  const accountLimits = perAccount === undefined ? [profile.account] : [profile.account, perAccount]

  // One at a time per process: more would only queue for the same rows, each holding a connection of the pool.
  let last: Promise<unknown> = Promise.resolve()
  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = last.then(work)
    last = turn.catch(() => undefined)
    return turn
  }

  async function acquireOnce(
    accountId: string,
    urgency: Urgency,
  ): Promise<{ waitMs: number; ageMs: number }> {
    const keys = { ip: egressId, accountId }
    const { waitMs, askedAt } = await withLockedWindows(
      db,
      keys,
      async (trx, { ip, account, now, askedAt }) => {
        forgetOldCalls(ip, ipLimits, now)
        forgetOldCalls(account, accountLimits, now)
        const waitMs = Math.max(
          waitFor(ip, ipLimits, urgency, now),
          waitFor(account, accountLimits, urgency, now),
        )
        if (waitMs === 0) {
          ip.calls.push(now)
          account.calls.push(now)
          await saveCalls(trx, ip, account)
        }
        return { waitMs, askedAt }
      },
    )
    return { waitMs, ageMs: performance.now() - askedAt }
  }

  return {
    /** Takes a place for one call in both windows, or says when to come back; throws `database_unavailable`. */
    async acquire({ accountId, urgency }: { accountId: string; urgency: Urgency }): Promise<Acquisition> {
      try {
        for (let attempt = 0; attempt < mostStaleGrants; attempt += 1) {
          const { waitMs, ageMs } = await inTurn(() => acquireOnce(accountId, urgency))
          if (waitMs > 0) return { granted: false, retryAt: new Date(Date.now() + Math.ceil(waitMs)) }
          if (ageMs <= stalestGrantMs) return { granted: true }
        }
      } catch (error) {
        throw toAppError(error)
      }
      throw new AppError(
        'database_unavailable',
        'The database is too slow to keep count of the calls to Hostaway',
      )
    },

    /** Stops a window after Hostaway refused a call, until `until` by this process's clock, at most for a minute. */
    async pause({
      scope,
      accountId,
      until,
    }: {
      scope: WindowScope
      accountId: string
      until: Date
    }): Promise<void> {
      const milliseconds = Math.min(until.getTime() - Date.now(), longestPauseMs)
      if (milliseconds <= 0) return
      try {
        await pauseWindow(db, { scope, key: scope === 'ip' ? egressId : accountId }, milliseconds)
      } catch (error) {
        throw toAppError(error)
      }
    },

    /** How many urgent calls could be made now, for accounts the least of them; also sets the gauge. */
    async available(): Promise<{ ip: number; account: number }> {
      const ip = await leastAvailable(db, 'ip', egressId, withGuard(profile.ip))
      const perLimit = accountLimits.map((limit) =>
        leastAvailable(db, 'account', undefined, withGuard(limit)),
      )
      const account = Math.min(...(await Promise.all(perLimit)))
      metrics.limiterAvailable.set({ window: 'ip' }, ip)
      metrics.limiterAvailable.set({ window: 'account' }, account)
      return { ip, account }
    },
  }
}

/** How long to wait until one more call of that urgency fits into all the limits; 0 = now. */
function waitFor(window: CallWindow, limits: CallLimit[], urgency: Urgency, now: Date): number {
  const pause = window.pausedUntil === null ? 0 : window.pausedUntil.getTime() - now.getTime()
  // A longer one was set before the database's clock went back.
  const waits = [pause > longestPauseMs ? 0 : pause]
  for (const { limit, milliseconds } of limits) {
    const usable = Math.max(1, Math.floor(limit * shares[urgency]))
    const counted = window.calls.filter((call) => isCounted(call, milliseconds, now))
    // The call that has to leave the window for one more to fit in; undefined while there is room.
    const blocking = counted[counted.length - usable]
    if (blocking !== undefined) waits.push(blocking.getTime() + milliseconds + guardMs - now.getTime())
  }
  return Math.max(0, ...waits)
}

// A call recorded in the future was so before the clock went back: it counts as made now.
function forgetOldCalls(window: CallWindow, limits: CallLimit[], now: Date): void {
  const longest = Math.max(...limits.map(({ milliseconds }) => milliseconds))
  window.calls = window.calls
    .filter((call) => isCounted(call, longest, now))
    .map((call) => (call > now ? now : call))
    .toSorted((a, b) => a.getTime() - b.getTime())
}

function isCounted(call: Date, milliseconds: number, now: Date): boolean {
  return call.getTime() + milliseconds + guardMs > now.getTime()
}

function withGuard({ limit, milliseconds }: CallLimit): CallLimit {
  return { limit, milliseconds: milliseconds + guardMs }
}
