import { setTimeout as pause } from 'node:timers/promises'
import type { DemoSystem } from './demo-system.ts'
import { describeDuration } from './demo-words.ts'

/** How many earlier reservations became bookings, and how long that took. */
export type Imported = { reservations: number; bookings: number; durationMs: number }

const pollMs = 50
const maxWaitMs = 60_000

/** Waits until what the account held before is imported, which takes moments; rejects where that fails. */
export async function awaitHistory({
  connector,
  history,
}: Pick<DemoSystem, 'connector' | 'history'>): Promise<Imported> {
  const startedAt = Date.now()
  for (;;) {
    const { status, done, created, lastError } = await connector.import(
      history.connectionId,
      history.importId,
    )
    const durationMs = Date.now() - startedAt
    if (status === 'completed') return { reservations: done, bookings: created, durationMs }
    if (status !== 'running' || durationMs > maxWaitMs) {
      throw new Error(
        `The import of earlier reservations is ${status}, ${done} done: ${lastError ?? 'no error'}`,
      )
    }
    await pause(pollMs)
  }
}

/** `300 in 1.2 s`. */
export function describeImport({ reservations, durationMs }: Imported): string {
  return `${reservations} in ${describeDuration(durationMs)}`
}
