import type { Kysely } from 'kysely'
import { type CronTimes, parseCron } from '../platform/config/cron-times.ts'
import { databaseTime } from '../platform/db/database-time.ts'
import { runIfDue } from '../platform/db/scheduled-runs.ts'
import type { Database } from '../platform/db/tables.ts'
import type { JobQueues } from '../platform/queue/queues.ts'
import { clearDeferral, listingLeases } from './listing-push-store.ts'
import {
  holdDisabled,
  listOwnSchedules,
  markDiffering,
  markForCheck,
  type ScheduleScope,
  type SyncType,
  syncTypes,
} from './schedule-store.ts'

type Queues = Pick<JobQueues, 'enqueueSync'>

const maxConnections = 500
const checksAtOnce = 20

/**
 * Lets a job run for each connection as soon as it has work that may be done; returns in how many milliseconds the
 * first one does. Never fails: what waits is in the database, and the sweep finds it.
 */
export async function signalConnections(
  db: Kysely<Database>,
  queues: Queues,
  connectionIds: string[],
): Promise<number | undefined> {
  try {
    const wakeTimes = await listingLeases.wakeTimes(db, connectionIds)
    if (wakeTimes.length === 0) return undefined
    await queues.enqueueSync(wakeTimes)
    return Math.min(...wakeTimes.map(({ inMs }) => inMs))
  } catch {
    return undefined
  }
}

/**
 * Signals connections whose job was lost or whose worker died. The job of a worker that died blocks those of its
 * connection until the queue notices, so abandoned work is signalled under a key of its own. Safe to repeat.
 */
export async function sweepPushes(db: Kysely<Database>, queues: Queues, overdueMs: number): Promise<void> {
  const { abandoned, unsignalled } = await listingLeases.overdueConnections(db, {
    overdueMs,
    limit: maxConnections,
  })
  if (unsignalled.length > 0) await signalConnections(db, queues, unsignalled)
  const now = abandoned.map((connectionId) => ({ connectionId, inMs: 0 }))
  await queues.enqueueSync(now, { isAbandoned: true })
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

/** Resumes the pushes of a connection that was deferred. Safe to repeat. */
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
