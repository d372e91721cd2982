import { sql, type Transaction } from 'kysely'
import type { Database } from '../platform/db/tables.ts'

export type QueuedEnd = {
  connectionId: string
  externalId: string
  /** What became of the webhook that brought the newest version, if one did; the ones before it were superseded. */
  newest: { id: string | null; outcome: string } | null
}

/** Ends the webhooks of reservations that waited for a person and do not any more. Safe to repeat. */
export async function endQueuedWebhooks(trx: Transaction<Database>, ends: QueuedEnd[]): Promise<void> {
  if (ends.length === 0) return
  await sql`
    update webhook_logs
    set status = 'processed', processed_at = clock_timestamp(),
      outcome = case when webhook_logs.id = ended.webhook_id then ended.outcome else 'superseded' end
    from unnest(
      ${ends.map(({ connectionId }) => connectionId)}::uuid[],
      ${ends.map(({ externalId }) => externalId)}::text[],
      ${ends.map(({ newest }) => newest?.id ?? null)}::uuid[],
      ${ends.map(({ newest }) => newest?.outcome ?? null)}::text[]
    ) as ended (connection_id, external_id, webhook_id, outcome)
    where webhook_logs.external_id = ended.external_id and webhook_logs.connection_id = ended.connection_id
      and webhook_logs.status = 'queued'
  `.execute(trx)
}
