import type { Kysely } from 'kysely'
import { resumePushing } from './calendar/sweep-pushes.ts'
import { listListingSyncs } from './calendar/sync-status-store.ts'
import type { Pending } from './connections/verify-connection.ts'
import type { Database } from './platform/db/tables.ts'
import type { JobQueues } from './platform/queue/queues.ts'
import type { Logger } from './platform/telemetry/logger.ts'
import { clearPollDeferral } from './polling/history-turn-store.ts'
import { countWaitingWebhooks } from './webhooks/parked-webhook-store.ts'
import { offerWebhooksOf } from './webhooks/sweep-webhooks.ts'

type WorkDeps = { db: Kysely<Database>; queues: JobQueues; log: Logger }

/** Lets everything go on at once that waited for a connection. Never fails: the sweeps find what is left. */
export async function resumeWork({ db, queues, log }: WorkDeps, connectionId: string): Promise<void> {
  const steps = [
    offerWebhooksOf(db, queues, connectionId),
    resumePushing(db, queues, connectionId),
    clearPollDeferral(db, connectionId),
  ]
  for (const { status, reason } of (await Promise.allSettled(steps)).filter(isRejected)) {
    log.warn({ err: reason, connectionId, status }, 'connection.resumed_later')
  }
}

/** What waits for a connection, in both directions. */
export async function pendingWork(
  { db }: Pick<WorkDeps, 'db'>,
  connection: { id: string; tenantId: string },
): Promise<Pending> {
  const scope = { tenantId: connection.tenantId, connectionId: connection.id }
  const listings = await listListingSyncs(db, connection.id)
  const sum = (name: 'pendingDays' | 'failedDays' | 'driftedDays') =>
    listings.reduce((total, listing) => total + listing[name], 0)
  return {
    ...(await countWaitingWebhooks(db, scope)),
    pendingDays: sum('pendingDays'),
    failedDays: sum('failedDays'),
    driftedDays: sum('driftedDays'),
  }
}

function isRejected(result: PromiseSettledResult<void>): result is PromiseRejectedResult {
  return result.status === 'rejected'
}
