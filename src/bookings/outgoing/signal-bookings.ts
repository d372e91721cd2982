import type { Kysely } from 'kysely'
import type { Database } from '../../platform/db/tables.ts'
import type { JobQueues } from '../../platform/queue/queues.ts'
import { listOverduePushes, readPushTimes } from './push-turn-store.ts'

type Queues = Pick<JobQueues, 'enqueueBookingPushes'>

const maxConnections = 500

/**
 * Sees to it that a job runs for each connection as soon as Hostaway may be told of one of its bookings. Never fails:
 * what waits is in the database, and the sweep finds it.
 */
export async function signalBookings(
  db: Kysely<Database>,
  queues: Queues,
  connectionIds: string[],
): Promise<void> {
  try {
    await queues.enqueueBookingPushes(await readPushTimes(db, connectionIds))
  } catch {
    return
  }
}

/** Signals connections whose bookings are due and whose job got lost. Safe to repeat. */
export async function sweepBookingPushes(
  db: Kysely<Database>,
  queues: Queues,
  overdueMs: number,
): Promise<void> {
  const connectionIds = await listOverduePushes(db, { overdueMs, limit: maxConnections })
  if (connectionIds.length > 0) await signalBookings(db, queues, connectionIds)
}
