import type { CallLimit } from './rate-limit-profile.ts'

/** How much of every window a call may use: urgent all of it, normal 90 %, bulk 60 %. */
export type Urgency = 'urgent' | 'normal' | 'bulk'

/** The calls of one IP or account and until when nothing may be sent; instants in milliseconds. */
export type SlidingWindow = { limits: CallLimit[]; calls: number[]; pausedUntil: number | undefined }

/** An account whose call found the IP's window full, since when it waits, and when it was told to come back. */
export type Waiter = { accountId: string; urgency: Urgency; since: number; expectedAt: number }

/** Who asks for a place, and everybody who waits for one in the IP's window, in any order. */
export type Request = {
  accountId: string
  urgency: Urgency
  now: number
  ip: SlidingWindow
  account: SlidingWindow
  waiters: Waiter[]
}

/** `calls` of each window as they are now; a refused call that waits for the IP's window has its place in the line. */
export type Decision = { ipCalls: number[]; accountCalls: number[] } & (
  | { granted: true }
  | { granted: false; waitMs: number; place: Waiter | undefined }
)

// Acquiring is not arriving: a call may be this much longer on its way than the one before it without two windows'
// worth of them meeting at Hostaway.
export const guardMs = 300
// A place that reached its process later than this has used up its guard; it is left unused and another one is taken.
export const stalestGrantMs = 150
export const maxPauseMs = 60_000
// Whoever does not come for his place by then loses it to the next, until he does come. A busy machine may be late; a
// place that idles for so long costs half a call.
export const graceMs = 5_000

const shares = { urgent: 1, normal: 0.9, bulk: 0.6 } as const satisfies Record<Urgency, number>
export const byUrgency = ['urgent', 'normal', 'bulk'] as const satisfies Urgency[]

/**
 * Whether a call may be made now. While others wait for the IP's window their turn comes first: the more urgent ones,
 * then those that wait longer. So accounts take turns, whoever of them asks most often. Pure.
 */
export function decide(request: Request): Decision {
  const { accountId, urgency, now } = request
  const ip = withoutOldCalls(request.ip, now)
  const account = withoutOldCalls(request.account, now)
  const known = request.waiters.filter(({ since }) => since <= now)
  const isOwn = (waiter: Waiter) => waiter.accountId === accountId && waiter.urgency === urgency
  const since = known.find(isOwn)?.since ?? now
  const ahead = known
    .filter((waiter) => !isOwn(waiter) && waiter.expectedAt + graceMs > now)
    .filter((waiter) => inLine(waiter, { urgency, since }) < 0)
    .toSorted(inLine)

  const taken = { ...ip, calls: [...ip.calls] }
  let turnAt = now
  for (const waiter of ahead) {
    turnAt = nextPlace(taken, waiter.urgency, turnAt)
    taken.calls.push(turnAt)
  }
  const ipAt = nextPlace(taken, urgency, turnAt)
  const accountAt = nextPlace(account, urgency, now)
  const calls = { ipCalls: ip.calls, accountCalls: account.calls }
  if (ipAt <= now && accountAt <= now) {
    return { granted: true, ipCalls: [...ip.calls, now], accountCalls: [...account.calls, now] }
  }
  // Who has to wait for his own window anyway must not hold up the others.
  const place = accountAt > now ? undefined : { accountId, urgency, since, expectedAt: ipAt }
  return { granted: false, waitMs: Math.max(ipAt, accountAt) - now, place, ...calls }
}

type InLine = Pick<Waiter, 'urgency' | 'since'>

function inLine(left: InLine, right: InLine): number {
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

// A call or a pause recorded in the future was so before the clock went back: the call counts as made now.
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
