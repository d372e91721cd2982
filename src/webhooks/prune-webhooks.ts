import { type Kysely, sql } from 'kysely'
import { dayMs } from '../platform/days.ts'
import type { Database } from '../platform/db/tables.ts'
import { workNames } from '../platform/telemetry/metrics.ts'

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

export type PruneStep = { examined: number; pruned: number; last: string | undefined }

/**
 * Looks at the next webhooks after the id `after`, at most `limit` that were received before `before`, and deletes
 * those that have come to an end and that nothing open points to. `last` is where to go on.
 */
export async function pruneWebhooksAfter(
  db: Kysely<Database>,
  options: { after: string | undefined; before: Date; limit: number },
): Promise<PruneStep> {
  // The ids are in the order of time, so the oldest rows are found without an index of their own.
  const { rows } = await sql<{ examined: number; pruned: number; last: string | null }>`
    with examined as materialized (
      select id from webhook_logs
      where id > ${options.after ?? firstIdOf(0)} and id < ${firstIdOf(options.before.getTime())}
      order by id limit ${options.limit}
    ), pruned as (
      delete from webhook_logs using examined
      where webhook_logs.id = examined.id
        and webhook_logs.status <> 'received' and webhook_logs.received_at < ${options.before}
        and not exists (
          select from dead_letter_queue letter
          where letter.queue = any(${[...workNames]}) and letter.subject = webhook_logs.id::text
            and letter.status = 'open'
        )
        and not exists (
          select from hostaway_booking_queue waiting
          where waiting.webhook_id = webhook_logs.id and waiting.status in ('pending', 'mapped', 'failed')
        )
      returning webhook_logs.id
    )
    select (select count(*) from examined)::int as examined, (select count(*) from pruned)::int as pruned,
      (select id from examined order by id desc limit 1) as last
  `.execute(db)
  const [step] = rows
  return { examined: step?.examined ?? 0, pruned: step?.pruned ?? 0, last: step?.last ?? undefined }
}

// The smallest id of version 7 that can be made in this millisecond.
function firstIdOf(time: number): string {
  const hex = Math.max(0, time).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}
