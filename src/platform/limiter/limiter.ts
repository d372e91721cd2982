import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { AppError, toAppError } from '../errors.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { admitCall, guardMs, maxPauseMs, stalestGrantMs, type Urgency } from './call-admission.ts'
import {
  joinQueue,
  leastAvailable,
  leaveQueue,
  pauseWindow,
  saveCalls,
  type WindowScope,
  withLockedWindows,
} from './call-window-store.ts'
import type { CallLimit, RateLimitProfile } from './rate-limit-profile.ts'

/** `retryAt`: the earliest instant, by this process's clock, at which a place for that urgency opens. */
export type Acquisition = { granted: true } | { granted: false; retryAt: Date }

export type Limiter = ReturnType<typeof createLimiter>

export type LimiterOptions = {
  db: Kysely<Database>
  profile: RateLimitProfile
  /** Names the egress IP; processes that leave through the same address share it. */
  egressId: string
  /** A further limit of every account that has none of its own, for example from `callsPerMinute`. */
  perAccount?: CallLimit
  metrics: Pick<Metrics, 'limiterAvailable'>
}

const maxStaleGrants = 5

/**
 * Sliding windows per egress IP and per account, shared through Postgres by all processes that use its database.
 * Accounts that wait for the IP's window are served fairly.
 */
export function createLimiter({ db, profile, egressId, perAccount, metrics }: LimiterOptions) {
  const ipLimits = [profile.ip]
  const accountLimits = perAccount === undefined ? [profile.account] : [profile.account, perAccount]

  // One at a time per process: more would only queue for the same rows, each holding a connection of the pool.
  let last: Promise<unknown> = Promise.resolve()
  function oneAtATime<Result>(work: () => Promise<Result>): Promise<Result> {
    const next = last.then(work)
    last = next.catch(() => undefined)
    return next
  }

  async function acquireOnce(
    accountId: string,
    urgency: Urgency,
  ): Promise<{ waitMs: number; ageMs: number }> {
    const keys = { ip: egressId, accountId }
    const { waitMs, askedAt } = await withLockedWindows(
      db,
      keys,
      async (trx, { ip, account, waiters, now, askedAt }) => {
        const { furtherLimit } = account
        const limits = furtherLimit === undefined ? accountLimits : [profile.account, furtherLimit]
        const admission = admitCall({
          accountId,
          urgency,
          now,
          waiters,
          ip: { ...ip, limits: ipLimits },
          account: { ...account, limits },
        })
        if (admission.granted) {
          await saveCalls(trx, keys, admission)
          const waited = waiters.some((one) => one.accountId === accountId && one.urgency === urgency)
          if (waited) await leaveQueue(trx, egressId, { accountId, urgency })
        } else if (admission.place !== undefined) await joinQueue(trx, egressId, admission.place)
        return { waitMs: admission.granted ? 0 : admission.waitMs, askedAt }
      },
    )
    return { waitMs, ageMs: performance.now() - askedAt }
  }

  return {
    /** Takes a place for one call in both windows, or returns when to try again; throws `database_unavailable`. */
    async acquire({ accountId, urgency }: { accountId: string; urgency: Urgency }): Promise<Acquisition> {
      try {
        for (let attempt = 0; attempt < maxStaleGrants; attempt += 1) {
          const { waitMs, ageMs } = await oneAtATime(() => acquireOnce(accountId, urgency))
          if (waitMs > 0) return { granted: false, retryAt: new Date(Date.now() + Math.ceil(waitMs)) }
          if (ageMs <= stalestGrantMs) return { granted: true }
        }
      } catch (error) {
        throw toAppError(error)
      }
      throw new AppError(
        'database_unavailable',
        'The database is too slow to keep count of the calls to the channel',
      )
    },

    /** Stops a window after the channel refused a call, until `until` by this process's clock, at most for a minute. */
    async pause({
      scope,
      accountId,
      until,
    }: {
      scope: WindowScope
      accountId: string
      until: Date
    }): Promise<void> {
      const milliseconds = Math.min(until.getTime() - Date.now(), maxPauseMs)
      if (milliseconds <= 0) return
      try {
        await pauseWindow(db, { scope, key: scope === 'ip' ? egressId : accountId }, milliseconds)
      } catch (error) {
        throw toAppError(error)
      }
    },

    /** How many urgent calls are possible now, for accounts the minimum over all; also sets the gauge. */
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

function withGuard({ limit, milliseconds }: CallLimit): CallLimit {
  return { limit, milliseconds: milliseconds + guardMs }
}
