import type { Kysely } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import type { JobQueues } from '../platform/queue/queues.ts'
import { readWakeTimes } from './turn-store.ts'

/**
 * Sees to it that a job runs for each connection as soon as it has work that may be done; returns in how many
 * milliseconds the first one does. Never fails: what waits is in the database, and the sweep finds it.
 */
export async function signalConnections(
  db: Kysely<Database>,
  queues: Pick<JobQueues, 'enqueueSync'>,
  connectionIds: string[],
): Promise<number | undefined> {
  try {
    const wakeTimes = await readWakeTimes(db, connectionIds)
    if (wakeTimes.length === 0) return undefined
    await queues.enqueueSync(wakeTimes)
    return Math.min(...wakeTimes.map(({ inMs }) => inMs))
  } catch {
    return undefined
  }
}
