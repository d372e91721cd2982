/** At most `limit` calls in any stretch of `milliseconds`. */
export type CallLimit = { limit: number; milliseconds: number }

/** What the channel allows: per egress IP and per account; a call counts on both. */
export type RateLimitProfile = { ip: CallLimit; account: CallLimit }

const profiles = new Map<string, RateLimitProfile>([
  ['2025', { ip: { limit: 15, milliseconds: 10_000 }, account: { limit: 20, milliseconds: 10_000 } }],
  ['2026-08', { ip: { limit: 200, milliseconds: 10_000 }, account: { limit: 200, milliseconds: 10_000 } }],
])

const maxCalls = 10_000
const maxSeconds = 3_600

/** Reads `2025`, `2026-08` or `custom:15/10s,20/10s` (IP, account); throws one clear sentence for anything else. */
export function parseRateLimitProfile(name: string): RateLimitProfile {
  const profile = profiles.get(name) ?? customProfile(name)
  if (profile === undefined) {
    throw new Error(
      `"${name}" is not a rate limit profile: use 2025, 2026-08, or for example custom:15/10s,20/10s ` +
        `(calls per seconds for the IP, then for the account; at most ${maxCalls} calls and ${maxSeconds} seconds)`,
    )
  }
  return profile
}

/**
 * The extra limit of an account that allows `perMinute` calls on average and `burst` at once (default `perMinute`):
 * `burst` calls in the time in which that many are due.
 */
export function callsPerMinute(perMinute: number, burst: number = perMinute): CallLimit {
  return { limit: burst, milliseconds: Math.ceil((60_000 * burst) / perMinute) }
}

function customProfile(name: string): RateLimitProfile | undefined {
  const match = /^custom:(\d{1,9}\/\d{1,9}s),(\d{1,9}\/\d{1,9}s)$/.exec(name)
  const ip = callLimit(match?.[1])
  const account = callLimit(match?.[2])
  return ip === undefined || account === undefined ? undefined : { ip, account }
}

function callLimit(text: string | undefined): CallLimit | undefined {
  const [limit = 0, seconds = 0] = (text ?? '').replace('s', '').split('/').map(Number)
  if (limit < 1 || limit > maxCalls || seconds < 1 || seconds > maxSeconds) return undefined
  return { limit, milliseconds: seconds * 1000 }
}
