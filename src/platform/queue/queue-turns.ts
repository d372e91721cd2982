type Counted = { window: number; now: number; before: number }

// BullMQ's own limit.
const maxPriority = 2_097_152
const maxRemembered = 10_000

/**
 * Priorities that let tenants take turns: each `perTurn` items that a key has had within the last `windowMs` put its
 * next ones one place further back. So a tenant's backlog waits behind another's first few, and nobody waits while
 * there is no backlog. Each process counts its own; nothing but the order depends on it.
 */
export function createBacklogTurns(
  { windowMs, perTurn }: { windowMs: number; perTurn: number },
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
      return Math.min(maxPriority, Math.floor(recent / perTurn))
    },
  }
}
