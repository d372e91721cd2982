import { SlidingWindow } from './sliding-window.ts'

type Limit = { limit: number; windowMs: number }
type EndpointLimit = Limit & { method: string; path: RegExp; name: string }

export type RateLimitProfile = { ip: Limit | null; account: Limit | null; endpoints: EndpointLimit[] }

export type ArrivingCall = { ip: string; accountId: number | null; method: string; path: string }

export type RateLimitRefusal = { applied: 'ip' | 'account' | 'endpoint'; limit: number; retryAtMs: number }

export type WindowReport = { kind: string; key: string; limit: number; used: number; peak: number }

const tenSeconds = 10_000

const endpointLimits2026: EndpointLimit[] = [
  {
    method: 'POST',
    path: /^\/conversations\/[^/]+\/messages$/,
    name: 'messages',
    limit: 30,
    windowMs: 60_000,
  },
  {
    method: 'POST',
    path: /^\/listings\/[^/]+\/calendar\/priceDetails$/,
    name: 'priceDetails',
    limit: 400,
    windowMs: tenSeconds,
  },
  { method: 'POST', path: /^\/reservations$/, name: 'reservations', limit: 200, windowMs: tenSeconds },
]

/** Reads `2025`, `2026-08`, `off`, or `N/Ss,N/Ss` (per address, per account); undefined when it is none of them. */
export function parseRateLimitProfile(text: string): RateLimitProfile | undefined {
  if (text === 'off') return { ip: null, account: null, endpoints: [] }
  if (text === '2025') {
    return {
      ip: { limit: 15, windowMs: tenSeconds },
      account: { limit: 20, windowMs: tenSeconds },
      endpoints: [],
    }
  }
  if (text === '2026-08') {
    const general = { limit: 200, windowMs: tenSeconds }
    return { ip: general, account: general, endpoints: endpointLimits2026 }
  }
  const custom = /^(?:custom:)?(\d+)\/(\d+)s,(\d+)\/(\d+)s$/.exec(text)
  if (custom === null) return undefined
  const [ipLimit, ipSeconds, accountLimit, accountSeconds] = custom.slice(1).map(Number)
  if (!ipLimit || !ipSeconds || !accountLimit || !accountSeconds) return undefined
  return {
    ip: { limit: ipLimit, windowMs: ipSeconds * 1_000 },
    account: { limit: accountLimit, windowMs: accountSeconds * 1_000 },
    endpoints: [],
  }
}

/** Decides on every call at the moment it arrives. A refused call takes no place in any window. */
export class RateLimits {
  refused = 0
  private readonly profile: RateLimitProfile
  private readonly windows = new Map<string, { kind: RateLimitRefusal['applied']; window: SlidingWindow }>()

  constructor(profile: RateLimitProfile) {
    this.profile = profile
  }

  arrive(call: ArrivingCall, now: number): RateLimitRefusal | null {
    const concerned = this.windowsOf(call)
    for (const { kind, window } of concerned) {
      const retryAtMs = window.opensAt(now)
      if (retryAtMs > now) {
        this.refused += 1
        return { applied: kind, limit: window.limit, retryAtMs }
      }
    }
    for (const { window } of concerned) window.record(now)
    return null
  }

  report(now: number): WindowReport[] {
    return [...this.windows].map(([key, { kind, window }]) => ({
      kind,
      key,
      limit: window.limit,
      used: window.used(now),
      peak: window.peak,
    }))
  }

  private windowsOf(call: ArrivingCall) {
    const { accountId } = call
    const concerned = []
    if (this.profile.ip) concerned.push(this.window('ip', call.ip, this.profile.ip))
    if (accountId === null) return concerned
    const endpoint = this.profile.endpoints.find(
      (candidate) => candidate.method === call.method && candidate.path.test(call.path),
    )
    if (endpoint) concerned.push(this.window('endpoint', `${endpoint.name}:${accountId}`, endpoint))
    else if (this.profile.account) {
      concerned.push(this.window('account', String(accountId), this.profile.account))
    }
    return concerned
  }

  private window(kind: RateLimitRefusal['applied'], name: string, limit: Limit) {
    const key = `${kind}:${name}`
    let entry = this.windows.get(key)
    if (!entry) {
      entry = { kind, window: new SlidingWindow(limit.limit, limit.windowMs) }
      this.windows.set(key, entry)
    }
    return entry
  }
}
