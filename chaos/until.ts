import { setTimeout as pause } from 'node:timers/promises'

/** Waits until a check holds, false if it did not within the time; a check that throws does not hold yet. */
export async function until(
  check: () => Promise<boolean>,
  { withinMs, everyMs = 50 }: { withinMs: number; everyMs?: number },
): Promise<boolean> {
  const deadline = Date.now() + withinMs
  for (;;) {
    if (await check().catch(() => false)) return true
    if (Date.now() >= deadline) return false
    await pause(everyMs)
  }
}

/** Whether an address answers 2xx within two seconds. */
export async function answersWell(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
  await response.body?.cancel()
  return response.ok
}
