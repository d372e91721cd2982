import type { Kysely } from 'kysely'
import { databaseTime } from '../db/database-time.ts'
import type { Database } from '../db/tables.ts'
import type { JobQueues } from '../queues.ts'
import { type CronTimes, wasDueSince } from './cron-times.ts'
import { lastRunOf, markDiffering, markForCheck, noteRun, type SyncType } from './schedule-store.ts'
import { signalConnections } from './signal-connections.ts'
import { listOverdueConnections } from './turn-store.ts'

type Queues = Pick<JobQueues, 'enqueueSync'>

const mostConnections = 500
const checksAtOnce = 20

/** Signals connections whose work is due and whose job got lost; returns how many. Safe to repeat. */
export async function sweepPushes(db: Kysely<Database>, queues: Queues, overdueMs: number): Promise<number> {
  const connectionIds = await listOverdueConnections(db, { overdueMs, limit: mostConnections })
  if (connectionIds.length > 0) await signalConnections(db, queues, connectionIds)
  return connectionIds.length
}

/** Runs the scheduled syncs whose time has come since they last ran. Safe to repeat, and it costs no call by itself. */
export async function runScheduledSyncs(
  db: Kysely<Database>,
  queues: Queues,
  crons: Record<SyncType, CronTimes>,
): Promise<SyncType[]> {
  const now = await databaseTime(db)
  const ran: SyncType[] = []
  for (const [type, cron] of Object.entries(crons) as Array<[SyncType, CronTimes]>) {
    const name = `sync-${type}`
    if (!wasDueSince(cron, await lastRunOf(db, name), now)) continue
    const connectionIds = await markDiffering(db, type)
    await noteRun(db, name, now)
    if (connectionIds.length > 0) await signalConnections(db, queues, connectionIds)
    ran.push(type)
  }
  return ran
}

/** Lets a few listings be read back that were not for `afterMs`. Safe to repeat. */
export async function checkForDrift(db: Kysely<Database>, queues: Queues, afterMs: number): Promise<void> {
  const connectionIds = await markForCheck(db, { afterMs, limit: checksAtOnce })
  if (connectionIds.length > 0) await signalConnections(db, queues, connectionIds)
}
