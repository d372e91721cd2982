import { setTimeout as delay } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { withLeaderLock } from '../platform/db/leader-lock.ts'
import type { Database } from '../platform/db/tables.ts'
import { Problem } from '../platform/http/problems.ts'

const maxTurnMs = 20_000
const turnCheckMs = 100
// A turn holds a database connection while Hostaway is asked, and its queries need others of the same pool.
const maxTurnsPerPool = 8
const turnsOf = new WeakMap<Kysely<Database>, number>()

/**
 * Runs work that changes what Hostaway holds for a connection, alone over all processes: two that both find no webhook
 * would both register one. A waiter holds no database connection; after 20 s it fails with `CONNECTION_BUSY`.
 */
export async function withConnectionLock<Result>(
  db: Kysely<Database>,
  connectionId: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const deadline = Date.now() + maxTurnMs
  for (;;) {
    const turn = await tryWithConnectionLock(db, connectionId, work)
    if (turn !== undefined) return turn.result
    if (Date.now() > deadline) {
      throw new Problem(503, 'CONNECTION_BUSY', 'Another request is changing this connection; try again')
    }
    await delay(turnCheckMs)
  }
}

/** The same without waiting: undefined if the lock is taken, or this process is at its limit. */
export async function tryWithConnectionLock<Result>(
  db: Kysely<Database>,
  connectionId: string,
  work: () => Promise<Result>,
): Promise<{ result: Result } | undefined> {
  if ((turnsOf.get(db) ?? 0) >= maxTurnsPerPool) return undefined
  turnsOf.set(db, (turnsOf.get(db) ?? 0) + 1)
  try {
    return await withLeaderLock(db, `connect:${connectionId}`, async () => ({ result: await work() }))
  } finally {
    turnsOf.set(db, (turnsOf.get(db) ?? 1) - 1)
  }
}
