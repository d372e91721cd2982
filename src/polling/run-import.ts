import { capabilityOf } from '../channels/contract/channel.ts'
import { callChannel } from '../connections/call-channel.ts'
import { noteSynced } from '../connections/connection-status-store.ts'
import { toListingFacts, upsertListings } from '../listings/listing-store.ts'
import type { ImportRow } from '../platform/db/history-tables.ts'
import { beginPass, completeImport, findRunningImport, noteListingsRead, notePage } from './import-store.ts'
import { bulkCall, type PollingSlice } from './polling-context.ts'
import { pollingLeases } from './polling-lease-store.ts'
import { type ReadPage, readNextPage } from './read-page.ts'

// Changes that come faster than they can be read are left to webhooks and reconciliation.
const maxPasses = 4
// After the first look back a short one will do.
const laterOverlapMs = 10_000

/**
 * Continues the connection's import until it ends, there is none, or the slice is over; true where there is nothing
 * left to do. Listings first, then reservations page by page, newest change first, then again what changed meanwhile,
 * until a pass finds nothing new. Safe to repeat from the last page that was noted.
 */
export async function runImport(reading: PollingSlice): Promise<boolean> {
  const { deps, connection } = reading
  for (;;) {
    const row = await findRunningImport(deps.db, connection.id)
    if (row === undefined) return true
    if (row.listings_read) await importPage(reading, row)
    else await importListings(reading, row)
    if (performance.now() >= reading.endsAt) return false
  }
}

async function importListings({ deps, connection }: PollingSlice, row: ImportRow): Promise<void> {
  const listings = await callChannel(deps, connection, bulkCall, (channel, call) =>
    capabilityOf(channel, 'listings').list(call),
  )
  await upsertListings(deps.db, connection, listings.map(toListingFacts), connection.autoMapListings)
  await noteListingsRead(deps.db, row.id)
}

async function importPage(reading: PollingSlice, row: ImportRow): Promise<void> {
  const startedAt = performance.now()
  const page = await readNextPage(reading, 'import', row.walk, {
    limit: row.page_size,
    ...(row.stay_from === null ? {} : { departureStartDate: row.stay_from }),
    ...(row.stay_to === null ? {} : { arrivalEndDate: row.stay_to }),
  })
  await note(reading, row, page, performance.now() - startedAt)
}

async function note(
  { deps, connection, lease }: PollingSlice,
  row: ImportRow,
  page: ReadPage,
  milliseconds: number,
): Promise<void> {
  const ended = await deps.db.transaction().execute(async (trx) => {
    await pollingLeases.heartbeat(trx, lease, deps.times.leaseMs)
    const noted = await notePage(trx, row, { ...page, total: page.count, milliseconds })
    // Cancelled meanwhile.
    if (noted === undefined || !page.ended) return undefined
    const { newestSeen } = page.walk
    const { pass, changed_in_pass } = noted
    const foundNothingNew = pass > 0 && changed_in_pass === 0
    if (newestSeen !== null && !foundNothingNew && pass < maxPasses) {
      const { overlapMs } = deps.times
      const lookBackMs = pass === 0 ? overlapMs : Math.min(overlapMs, laterOverlapMs)
      await beginPass(trx, row.id, new Date(Math.min(Date.parse(newestSeen), Date.now()) - lookBackMs))
      return undefined
    }
    if (row.stay_from === null && row.stay_to === null) await noteSynced(trx, connection.id)
    return completeImport(trx, row.id, page.count)
  })
  if (ended === undefined) return
  deps.metrics.imports.inc({ status: 'completed' })
  const { id, done, created, updated, waiting, failed, pass } = ended
  deps.log.info(
    { connectionId: connection.id, importId: id, done, created, updated, waiting, failed, passes: pass + 1 },
    'import.completed',
  )
}
