import { maxPageSize } from './import-store.ts'
import type { PollingSlice } from './polling-context.ts'
import { pollingLeases } from './polling-lease-store.ts'
import { readNextPage } from './read-page.ts'
import { endReconcile, findReconcile, saveReconcileWalk } from './reconcile-store.ts'
import { startWalk } from './walk.ts'

// Mostly nothing has changed but what webhooks have brought.
const firstPage = 100

/**
 * Reads what changed at the channel since the last complete pass and applies it, until it has come down to there or the
 * slice is over; true where it has. One call where hardly anything changed. The watermark moves only at the end of a
 * pass, so that one that breaks off leaves no gap.
 */
export async function reconcile(reading: PollingSlice): Promise<boolean> {
  const { deps, connection, lease } = reading
  const { overlapMs, leaseMs } = deps.times
  const stored = await findReconcile(deps.db, connection.id)
  const watermark = stored?.watermark ?? connection.createdAt
  let walk = stored?.walk ?? startWalk(new Date(watermark.getTime() - overlapMs))
  for (;;) {
    const page = await readNextPage(reading, 'reconcile', walk, {
      limit: walk.rows === 0 ? firstPage : maxPageSize,
    })
    walk = page.walk
    await deps.db.transaction().execute(async (trx) => {
      await pollingLeases.heartbeat(trx, lease, leaseMs)
      if (page.ended) await endReconcile(trx, connection.id, walk.newestSeen)
      else await saveReconcileWalk(trx, connection.id, walk)
    })
    const { created, updated } = page.tally
    if (created + updated > 0) {
      deps.log.info({ connectionId: connection.id, created, updated }, 'reconcile.found_changes')
    }
    if (page.ended) return true
    if (performance.now() >= reading.endsAt) return false
  }
}
