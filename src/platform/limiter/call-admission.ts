import type { CallLimit } from './rate-limit-profile.ts'

/** How much of every window a call may use: urgent all of it, normal 90 %, bulk 60 %. */
export type Urgency = 'urgent' | 'normal' | 'bulk'

/** The calls of one IP or account, and the end of its pause; instants in milliseconds. */
export type SlidingWindow = { limits: CallLimit[]; calls: number[]; pausedUntil: number | undefined }

/** An account whose call found the IP's window full, since when it waits, and the moment it was given. */
export type Waiter = { accountId: string; urgency: Urgency; since: number; expectedAt: number }

/** A call that asks for a place, and all waiters for the IP's window, in any order. */
export type AdmissionRequest = {
  accountId: string
  urgency: Urgency
  now: number
  ip: SlidingWindow
  account: SlidingWindow
  waiters: Waiter[]
}

/** The updated `calls` of each window; a refused call that waits for the IP's window gets a place in the queue. */
export type Admission = { ipCalls: number[]; accountCalls: number[] } & (
  | { granted: true }
  | { granted: false; waitMs: number; place: Waiter | undefined }
)

// Acquiring is not arriving: a call may take this much longer than the one before it without exceeding a window at
// the channel.
export const guardMs = 300
// A grant that reached its process later than this has used up its guard; it is dropped and another one acquired.
export const stalestGrantMs = 150
export const maxPauseMs = 60_000
// A waiter that does not return within this time loses its place to the next, but keeps its rank. A busy machine may be
// late; an idle place costs half a call.
export const graceMs = 5_000

const shares = { urgent: 1, normal: 0.9, bulk: 0.6 } as const satisfies Record<Urgency, number>
export const byUrgency = ['urgent', 'normal', 'bulk'] as const satisfies Urgency[]

/**
 * Whether a call may be made now. Waiters for the IP's window come first: the more urgent ones, then those that wait
 * longer; a normal call that has waited for a while is as good as an urgent one. So accounts share the window evenly,
 * however often and however urgently each asks. Pure.
 */
export function admitCall(request: AdmissionRequest): Admission {
  const { accountId, urgency, now } = request
  const ip = withoutOldCalls(request.ip, now)
  const account = withoutOldCalls(request.account, now)
  const known = request.waiters.filter(({ since }) => since <= now)
  const isOwn = (waiter: Waiter) => waiter.accountId === accountId && waiter.urgency === urgency
  const since = known.find(isOwn)?.since ?? now
  const own = { urgency: aged({ urgency, since }, now), since }
  const ahead = known
    .filter((waiter) => !isOwn(waiter) && waiter.expectedAt + graceMs > now)
    .map((waiter) => ({ urgency: aged(waiter, now), since: waiter.since }))
    .filter((waiter) => compareRank(waiter, own) < 0)
    .toSorted(compareRank)

  const taken = { ...ip, calls: [...ip.calls] }
  let lastAt = now
  for (const waiter of ahead) {
    lastAt = nextPlace(taken, waiter.urgency, lastAt)
    taken.calls.push(lastAt)
  }
  const ipAt = nextPlace(taken, own.urgency, lastAt)
  const accountAt = nextPlace(account, urgency, now)
  const calls = { ipCalls: ip.calls, accountCalls: account.calls }
  if (ipAt <= now && accountAt <= now) {
    return { granted: true, ipCalls: [...ip.calls, now], accountCalls: [...account.calls, now] }
  }
  // An account that waits for its own window must not delay the others.
  const place = accountAt > now ? undefined : { accountId, urgency, since, expectedAt: ipAt }
  return { granted: false, waitMs: Math.max(ipAt, accountAt) - now, place, ...calls }
}

type Rank = Pick<Waiter, 'urgency' | 'since'>

// Tenants choose what is urgent. Were a normal call to wait for every urgent one, an account that always has something
// urgent would stop the pushes of all others.
const maxNormalWaitMs = 1_500

function aged({ urgency, since }: Rank, now: number): Urgency {
  return urgency === 'normal' && now - since >= maxNormalWaitMs ? 'urgent' : urgency
}

function compareRank(left: Rank, right: Rank): number {
  return byUrgency.indexOf(left.urgency) - byUrgency.indexOf(right.urgency) || left.since - right.since
}

/** The first instant from `from` on at which one more call of that urgency fits into all limits of the window. */
function nextPlace({ limits, calls, pausedUntil }: SlidingWindow, urgency: Urgency, from: number): number {
  let at = Math.max(from, pausedUntil ?? from)
  for (const { limit, milliseconds } of limits) {
    const usable = Math.max(1, Math.floor(limit * shares[urgency]))
    // The call that has to leave the window for one more to fit in; undefined while there is room.
    const blocking = calls[calls.length - usable]
    if (blocking !== undefined) at = Math.max(at, blocking + milliseconds + guardMs)
  }
  return at
}

// Instants in the future were recorded before the clock went back: such a call counts as made now.
function withoutOldCalls({ limits, calls, pausedUntil }: SlidingWindow, now: number): SlidingWindow {
  const longest = Math.max(...limits.map(({ milliseconds }) => milliseconds))
  return {
    limits,
    calls: calls
      .filter((call) => call + longest + guardMs > now)
      .map((call) => Math.min(call, now))
      .toSorted((left, right) => left - right),
    pausedUntil: pausedUntil !== undefined && pausedUntil - now > maxPauseMs ? undefined : pausedUntil,
  }
}
