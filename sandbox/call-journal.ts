export type CallOutcome = 'pending' | 'answered' | 'abandoned' | 'dropped' | 'hung' | 'down'

export type Call = {
  sequence: number
  arrivedAt: string
  arrivedAtMs: number
  ip: string
  method: string
  /** Below `/v1`, without the query. */
  path: string
  query: Record<string, unknown>
  accountId: number | null
  body: unknown
  status: number | null
  outcome: CallOutcome
  /** Which rate limit refused it, if any. */
  limitedBy: string | null
  faultIds: number[]
  durationMs: number | null
}

export type CallFilter = {
  accountId?: number | undefined
  method?: string | undefined
  /** Below `/v1`; `*` stands for one part, `**` for any number of them. */
  path?: string | undefined
  status?: number | undefined
  afterSequence?: number | undefined
  limit?: number | undefined
}

const mostCallsKept = 100_000

/** Turns a path pattern into a test: `*` is one part of the path, `**` any number of parts. */
export function pathMatcher(pattern: string): (path: string) => boolean {
  const source = pattern
    .replace(/^\/v1(?=\/)/, '')
    .split('/')
    .map((part) =>
      part
        .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
        .replaceAll('**', '\u0000')
        .replaceAll('*', '[^/]*')
        .replaceAll('\u0000', '.*'),
    )
    .join('/')
  const expression = new RegExp(`^${source}$`)
  return (path) => expression.test(path)
}

/** Remembers every call to the stand-in API in the order of arrival; the oldest are forgotten beyond 100,000. */
export class CallJournal {
  private calls: Call[] = []
  private lastSequence = 0

  open(arrival: Pick<Call, 'ip' | 'method' | 'path' | 'query' | 'accountId'>, now: number): Call {
    this.lastSequence += 1
    const call: Call = {
      ...arrival,
      sequence: this.lastSequence,
      arrivedAt: new Date(now).toISOString(),
      arrivedAtMs: now,
      body: null,
      status: null,
      outcome: 'pending',
      limitedBy: null,
      faultIds: [],
      durationMs: null,
    }
    this.calls.push(call)
    if (this.calls.length > mostCallsKept * 1.1) this.calls = this.calls.slice(-mostCallsKept)
    return call
  }

  find(filter: CallFilter): Call[] {
    const matchesPath = filter.path === undefined ? () => true : pathMatcher(filter.path)
    const found = this.calls.filter(
      (call) =>
        (filter.accountId === undefined || call.accountId === filter.accountId) &&
        (filter.method === undefined || call.method === filter.method.toUpperCase()) &&
        (filter.status === undefined || call.status === filter.status) &&
        (filter.afterSequence === undefined || call.sequence > filter.afterSequence) &&
        matchesPath(call.path),
    )
    return filter.limit === undefined ? found : found.slice(-filter.limit)
  }

  clear(): void {
    this.calls = []
  }
}
