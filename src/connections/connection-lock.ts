import { setTimeout as delay } from 'node:timers/promises'
import type { Locks } from '../platform/db/locks.ts'
import { Problem } from '../platform/http/problems.ts'

const maxWaitMs = 20_000
const checkEveryMs = 100

/**
 * Runs work that changes what the channel holds for a connection, alone over all processes: two that both find no
 * webhook would both register one. Waits for the lock; after 20 s it is `CONNECTION_BUSY`.
 */
export async function withConnectionLock<Result>(
  locks: Locks,
  connectionId: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const deadline = Date.now() + maxWaitMs
  for (;;) {
    const done = await tryWithConnectionLock(locks, connectionId, work)
    if (done !== undefined) return done.result
    if (Date.now() > deadline) {
      throw new Problem(503, 'CONNECTION_BUSY', 'Another request is changing this connection; try again')
    }
    await delay(checkEveryMs)
  }
}

/** The same without waiting: undefined where the lock is taken. */
export async function tryWithConnectionLock<Result>(
  locks: Locks,
  connectionId: string,
  work: () => Promise<Result>,
): Promise<{ result: Result } | undefined> {
  return locks.tryWith(`connect:${connectionId}`, work)
}
