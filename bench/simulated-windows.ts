import {
  admitCall,
  byUrgency,
  guardMs,
  maxPauseMs,
  stalestGrantMs,
  type Urgency,
  type Waiter,
} from '../src/platform/limiter/call-admission.ts'
import type { CallLimit, RateLimitProfile } from '../src/platform/limiter/rate-limit-profile.ts'

/** A draw from 0 up to, not including, 1. */
export type Chance = () => number

export type Simulation = {
  profile: RateLimitProfile
  perAccount?: CallLimit | undefined
  /** Callers of each account, in processes that are ended now and then; one number per account. */
  callers: number[]
  processes: number
  /** What callers ask for; any of these each time. */
  urgencies?: readonly Urgency[] | ((account: number) => readonly Urgency[])
  /** Ends after so many places were taken. */
  acquisitions: number
  chance: Chance
}

export type Simulated = {
  /** Places taken; of these, places that were used, by account. */
  acquisitions: number
  callsOf: number[]
  refusals: number
  restarts: number
  /** Windows that held more calls than they may, as Hostaway counts: by arrival. */
  exceeded: number
}

type Caller = { account: number; process: number; urgency: Urgency; comesAt: number }

// A call may be so long on its way without more of them meeting at Hostaway than its windows hold.
const maxWayMs = guardMs - stalestGrantMs

/**
 * Simulates callers in several processes with the limiter's own decision, on a simulated clock: answers are late, calls
 * take time, processes die with their grants, the queue is lost, windows are paused.
 */
export function simulateWindows(simulation: Simulation): Simulated {
  const { profile, perAccount, processes, chance, urgencies = byUrgency } = simulation
  const upTo = (most: number) => Math.floor(chance() * (most + 1))
  const someUrgency = (account: number) => {
    const some = typeof urgencies === 'function' ? urgencies(account) : urgencies
    return some[upTo(some.length - 1)] ?? 'urgent'
  }
  const ip = emptyWindow([profile.ip])
  const accounts = simulation.callers.map(() =>
    emptyWindow(perAccount === undefined ? [profile.account] : [profile.account, perAccount]),
  )
  let waiters: Waiter[] = []
  const arrivals: number[][] = accounts.map(() => [])
  const callers = simulation.callers.flatMap((count, account) =>
    Array.from({ length: count }, () => newCaller(account, 0)),
  )
  const seen = { acquisitions: 0, refusals: 0, restarts: 0 }

  function ask(caller: Caller): void {
    const now = caller.comesAt
    const own = accounts[caller.account] ?? ip
    const accountId = String(caller.account)
    const { urgency } = caller
    const decision = admitCall({ accountId, urgency, now, ip, account: own, waiters })
    const isOthers = (waiter: Waiter) => waiter.accountId !== accountId || waiter.urgency !== urgency
    if (!decision.granted) {
      seen.refusals += 1
      if (decision.place !== undefined) waiters = [...waiters.filter(isOthers), decision.place]
      caller.comesAt = now + Math.ceil(decision.waitMs) + (chance() < 0.05 ? upTo(5_000) : upTo(20))
      return
    }
    seen.acquisitions += 1
    ip.calls = decision.ipCalls
    own.calls = decision.accountCalls
    waiters = waiters.filter(isOthers)
    const ageMs = chance() < 0.02 ? upTo(5_000) : upTo(stalestGrantMs)
    const arrivesAt = now + ageMs + upTo(maxWayMs)
    if (ageMs <= stalestGrantMs) arrivals[caller.account]?.push(arrivesAt)
    Object.assign(caller, {
      urgency: someUrgency(caller.account),
      comesAt: now + ageMs + upTo(chance() < 0.1 ? 2_000 : 5),
    })
  }

  function restart(at: number): void {
    const process = upTo(processes - 1)
    seen.restarts += 1
    for (const caller of callers) {
      if (caller.process === process) Object.assign(caller, newCaller(caller.account, at + upTo(3_000)))
    }
    if (chance() < 0.1) waiters = []
    if (chance() < 0.1) ip.pausedUntil = at + upTo(maxPauseMs / 10)
  }

  function newCaller(account: number, from: number): Caller {
    return { account, process: upTo(processes - 1), urgency: someUrgency(account), comesAt: from + upTo(100) }
  }

  while (seen.acquisitions < simulation.acquisitions) {
    const next = callers.reduce((first, caller) => (caller.comesAt < first.comesAt ? caller : first))
    if (chance() < 0.001) restart(next.comesAt)
    else ask(next)
  }
  const accountLimits = perAccount === undefined ? [profile.account] : [profile.account, perAccount]
  return {
    ...seen,
    callsOf: arrivals.map((calls) => calls.length),
    exceeded:
      countExceeded(arrivals.flat(), [profile.ip]) +
      arrivals.reduce((sum, calls) => sum + countExceeded(calls, accountLimits), 0),
  }
}

function emptyWindow(limits: CallLimit[]) {
  return { limits, calls: [] as number[], pausedUntil: undefined as number | undefined }
}

/** In how many strict sliding windows there are more arrivals than may be. */
export function countExceeded(arrivals: number[], limits: CallLimit[]): number {
  const inOrder = arrivals.toSorted((left, right) => left - right)
  return limits.reduce(
    (sum, { limit, milliseconds }) =>
      sum + inOrder.filter((at, index) => at - (inOrder[index - limit] ?? -Infinity) < milliseconds).length,
    0,
  )
}
