import { setTimeout as pause } from 'node:timers/promises'

/** Repeats a check until it does not throw and gives its result; after the time-out throws what the check threw last. */
export async function eventually<T>(
  check: () => Promise<T> | T,
  { timeoutMs = 10_000, intervalMs = 25 }: { timeoutMs?: number; intervalMs?: number } = {},
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() >= deadline) throw error
    }
    await pause(intervalMs)
  }
}
