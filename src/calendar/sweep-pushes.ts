import type { Kysely } from 'kysely'
import { type CronTimes, parseCron } from '../platform/config/cron-times.ts'
import { databaseTime } from '../platform/db/database-time.ts'
import { runIfDue } from '../platform/db/scheduled-runs.ts'
import type { Database } from '../platform/db/tables.ts'
import type { JobQueues } from '../platform/queue/queues.ts'
import {
  holdDisabled,
  listOwnSchedules,
  markDiffering,
  markForCheck,
  type ScheduleScope,
  type SyncType,
  syncTypes,
} from './schedule-store.ts'
import { signalConnections } from './signal-connections.ts'
import { clearDeferral, listOverdueConnections } from './turn-store.ts'

type Queues = Pick<JobQueues, 'enqueueSync'>

const maxConnections = 500
const checksAtOnce = 20

/** Signals connections whose work is due and whose job got lost; returns how many. Safe to repeat. */
export async function sweepPushes(db: Kysely<Database>, queues: Queues, overdueMs: number): Promise<number> {
  const connectionIds = await listOverdueConnections(db, { overdueMs, limit: maxConnections })
  if (connectionIds.length > 0) await signalConnections(db, queues, connectionIds)
  return connectionIds.length
}

/**
 * Runs the scheduled syncs whose time has come since they last ran, those of the installation and those of connections
 * that have their own. Safe to repeat, and it costs no call by itself.
 */
export async function runScheduledSyncs(
  db: Kysely<Database>,
  queues: Queues,
  crons: Record<SyncType, CronTimes>,
): Promise<SyncType[]> {
  const now = await databaseTime(db)
  const ran = new Set<SyncType>()
  for (const [type, cron] of Object.entries(crons) as Array<[SyncType, CronTimes]>) {
    const run = async (name: string, times: CronTimes, scope: ScheduleScope) => {
      const isRun = await runIfDue(db, { name, times, now }, async () => {
        const connectionIds = await markDiffering(db, type, scope)
        if (connectionIds.length > 0) await signalConnections(db, queues, connectionIds)
      })
      if (isRun) ran.add(type)
    }
    await run(`sync-${type}`, cron, 'installation')
    for (const own of await listOwnSchedules(db, type)) {
      const times = parseCron(own.cron)
      await run(`sync-${type}:${own.connectionId}`, times, { connectionIds: [own.connectionId] })
    }
  }
  return [...ran]
}

/** Lets a connection go on that was held up, with whatever is desired of it. Safe to repeat. */
export async function resumePushing(
  db: Kysely<Database>,
  queues: Queues,
  connectionId: string,
): Promise<void> {
  await clearDeferral(db, connectionId)
  await holdDisabled(db, connectionId)
  for (const type of syncTypes) await markDiffering(db, type, { connectionIds: [connectionId] })
  await signalConnections(db, queues, [connectionId])
}

/** Lets a few listings be read back that were not for `afterMs`. Safe to repeat. */
export async function checkForDrift(db: Kysely<Database>, queues: Queues, afterMs: number): Promise<void> {
  const connectionIds = await markForCheck(db, { afterMs, limit: checksAtOnce })
  if (connectionIds.length > 0) await signalConnections(db, queues, connectionIds)
}
