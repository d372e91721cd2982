import { setTimeout as pause } from 'node:timers/promises'

/** Waits for work that may never end, but no longer than so many milliseconds. */
export async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  await Promise.race([work, pause(milliseconds, undefined, { ref: false })])
}
