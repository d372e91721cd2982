import type { Kysely } from 'kysely'
import { type CronTimes, parseCron } from '../platform/config/cron-times.ts'
import { databaseTime } from '../platform/db/database-time.ts'
import { runIfDue } from '../platform/db/scheduled-runs.ts'
import type { Database } from '../platform/db/tables.ts'
import { requestReconciles } from './polling-lease-store.ts'
import { listOwnReconciles } from './reconcile-store.ts'

/**
 * Asks for reconciliation where its time has come since it last did: of the connections that keep to the schedule of
 * the installation, and of those that have their own. Returns how many schedules that were. Safe to repeat.
 */
export async function scheduleReconciles(
  db: Kysely<Database>,
  cron: CronTimes,
  staggerMs: number,
): Promise<number> {
  const now = await databaseTime(db)
  let ran = 0
  const run = async (name: string, times: CronTimes, of: Parameters<typeof requestReconciles>[1]) => {
    if (await runIfDue(db, { name, times, now }, () => requestReconciles(db, of))) ran += 1
  }
  await run('reconcile', cron, { staggerMs })
  for (const own of await listOwnReconciles(db)) {
    await run(`reconcile:${own.connectionId}`, parseCron(own.cron), { connectionId: own.connectionId })
  }
  return ran
}
