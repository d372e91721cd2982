import type { Kysely } from 'kysely'
import { dayMs } from '../platform/days.ts'
import type { Database } from '../platform/db/tables.ts'
import { pruneWebhooksAfter } from './retention-store.ts'

export type PruneOptions = {
  /** Age from which a webhook may go. */
  days: number
  /** Rows per statement, so that none of them holds locks for long. */
  batchRows?: number
  /** How many may go in one run, give or take a statement; the next run goes on. */
  maxRows?: number
}

/**
 * Deletes webhooks that are old enough and that nothing needs any more (docs/decisions/0016). Safe to run anywhere at
 * any time and to repeat; returns how many went. A booking keeps the newest body in its own row.
 */
export async function pruneWebhooks(
  db: Kysely<Database>,
  { days, batchRows = 500, maxRows = 50_000 }: PruneOptions,
): Promise<number> {
  const before = new Date(Date.now() - days * dayMs)
  let pruned = 0
  let after: string | undefined
  for (;;) {
    const step = await pruneWebhooksAfter(db, { after, before, limit: batchRows })
    pruned += step.pruned
    if (step.examined < batchRows || pruned >= maxRows) return pruned
    after = step.last
  }
}
