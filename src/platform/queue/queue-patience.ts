import { setTimeout as pause } from 'node:timers/promises'

/** Waits for work that may never end, but no longer than so many milliseconds; says whether it ended. */
export async function within(milliseconds: number, work: Promise<unknown>): Promise<boolean> {
  return Promise.race([work.then(() => true), pause(milliseconds, false, { ref: false })])
}
