import { pathMatcher } from './call-journal.ts'
import { InvalidInput } from './refusals.ts'

export const faultKinds = ['latency', 'status', 'fail200', 'hang', 'drop', 'malformed', 'down'] as const
export const malformations = ['truncated', 'html', 'oversized'] as const

export type FaultKind = (typeof faultKinds)[number]

export type FaultRequest = {
  kind: FaultKind
  accountId?: number | undefined
  method?: string | undefined
  /** Below `/v1`; `*` stands for one part, `**` for any number of them. */
  path?: string | undefined
  /** Whether the call fails before it has its effect or after it. Default: `after` for `malformed`, else `before`. */
  effect?: 'before' | 'after' | undefined
  /** How many calls it hits; without it, every one until the rule is cleared. */
  count?: number | undefined
  /** How many matching calls are let through first. */
  skip?: number | undefined
  latencyMs?: number | undefined
  status?: number | undefined
  /** The answer's body for `status` and its text for `fail200`. */
  body?: unknown
  malformation?: (typeof malformations)[number] | undefined
  retryAfterSeconds?: number | undefined
}

export type FaultRule = Omit<FaultRequest, 'effect' | 'count' | 'skip'> & {
  id: number
  effect: 'before' | 'after'
  /** Null: until cleared. */
  remaining: number | null
  skip: number
  hits: number
}

type CallToMatch = { accountId: number | null; method: string; path: string }

/** Rules that make calls fail, tried in the order in which they were added. */
export class FaultRules {
  private entries: { rule: FaultRule; matchesPath: (path: string) => boolean }[] = []
  private lastId = 0

  add(request: FaultRequest): FaultRule {
    if (!faultKinds.includes(request.kind)) {
      throw new InvalidInput(`kind must be one of ${faultKinds.join(', ')}`)
    }
    const { effect, count, skip, ...rest } = request
    this.lastId += 1
    const rule: FaultRule = {
      ...rest,
      id: this.lastId,
      effect: effect ?? (request.kind === 'malformed' ? 'after' : 'before'),
      remaining: count ?? null,
      skip: skip ?? 0,
      hits: 0,
    }
    this.entries.push({ rule, matchesPath: pathMatcher(request.path ?? '**') })
    return rule
  }

  /** Removes one rule, or all of them. */
  clear(id?: number): void {
    this.entries = id === undefined ? [] : this.entries.filter(({ rule }) => rule.id !== id)
  }

  list(): FaultRule[] {
    return this.entries.map(({ rule }) => rule)
  }

  /** Uses up and returns a `down` rule for this call, if there is one. */
  takeDown(call: CallToMatch): FaultRule | null {
    return this.take(call, (rule) => rule.kind === 'down')
  }

  /** Uses up and returns what is to happen to this call: any delays, and the first other fault. */
  takeFaults(call: CallToMatch): FaultRule[] {
    const delay = this.take(call, (rule) => rule.kind === 'latency')
    const failure = this.take(call, (rule) => rule.kind !== 'latency' && rule.kind !== 'down')
    return [delay, failure].filter((rule) => rule !== null)
  }

  private take(call: CallToMatch, wanted: (rule: FaultRule) => boolean): FaultRule | null {
    for (const { rule, matchesPath } of this.entries) {
      if (!wanted(rule) || rule.remaining === 0) continue
      if (rule.accountId !== undefined && rule.accountId !== call.accountId) continue
      if (rule.method !== undefined && rule.method.toUpperCase() !== call.method) continue
      if (!matchesPath(call.path)) continue
      if (rule.skip > 0) {
        rule.skip -= 1
        continue
      }
      if (rule.remaining !== null) rule.remaining -= 1
      rule.hits += 1
      return rule
    }
    return null
  }
}
