import { type Kysely, sql } from 'kysely'
import { type CronTimes, wasDueSince } from '../config/cron-times.ts'
import type { Database } from './tables.ts'

/**
 * Does the work of a schedule if a moment of it has come since it last ran, and notes that; false where none has. The
 * first question counts as a run. To be asked by one process at a time; work that throws is due again.
 */
export async function runIfDue(
  db: Kysely<Database>,
  { name, times, now }: { name: string; times: CronTimes; now: Date },
  work: () => Promise<void>,
): Promise<boolean> {
  if (!wasDueSince(times, await lastRunOf(db, name), now)) return false
  await work()
  await db.updateTable('scheduled_runs').set({ last_run_at: now }).where('name', '=', name).execute()
  return true
}

async function lastRunOf(db: Kysely<Database>, name: string): Promise<Date> {
  const { rows } = await sql<{ at: Date }>`
    insert into scheduled_runs (name, last_run_at) values (${name}, clock_timestamp())
    on conflict (name) do update set name = excluded.name
    returning last_run_at as at
  `.execute(db)
  const at = rows[0]?.at
  if (at === undefined) throw new Error(`the schedule ${name} has no last run`)
  return at
}
