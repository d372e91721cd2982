type Counted = { window: number; now: number; before: number }

// BullMQ's own limit.
const maxPriority = 2_097_152
const maxRemembered = 10_000

/**
 * Priorities that serve tenants evenly: every `perStep` items of a key within the last `windowMs` lower its next ones by
 * one step. So a tenant's backlog waits behind another's first few items, and without a backlog priorities change
 * nothing. Each process counts its own; only the order depends on it.
 */
export function createBacklogPriorities(
  { windowMs, perStep }: { windowMs: number; perStep: number },
  now: () => number = Date.now,
): { next(key: string, items: number): number } {
  const counted = new Map<string, Counted>()

  function forgetOld(window: number): void {
    for (const [key, entry] of counted) if (entry.window < window - 1) counted.delete(key)
  }

  return {
    next(key, items) {
      const time = now()
      const window = Math.floor(time / windowMs)
      const last = counted.get(key)
      const entry = { window, now: 0, before: 0 }
      if (last?.window === window) Object.assign(entry, last)
      else if (last?.window === window - 1) entry.before = last.now
      const elapsed = (time % windowMs) / windowMs
      const recent = entry.now + entry.before * (1 - elapsed)
      entry.now += items
      if (last === undefined && counted.size >= maxRemembered) forgetOld(window)
      counted.set(key, entry)
      return Math.min(maxPriority, Math.floor(recent / perStep))
    },
  }
}
