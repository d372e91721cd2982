import { capabilityOf, type ReservationPageRequest } from '../channels/contract/channel.ts'
import { callChannel } from '../connections/call-channel.ts'
import { openDeadLetter } from '../dead-letters/dead-letter-store.ts'
import { databaseTime } from '../platform/db/database-time.ts'
import { AppError } from '../platform/errors.ts'
import type { HistorySource, Metrics } from '../platform/telemetry/metrics.ts'
import { applyPage } from './apply-page.ts'
import type { Tally } from './import-store.ts'
import { bulkCall, ofHistory, type PollingSlice } from './polling-context.ts'
import { cursorOf, takePage, type Walk } from './walk.ts'

/** A page that was read and applied; `count` is how many rows there are over all pages, if the channel said so. */
export type ReadPage = { walk: Walk; ended: boolean; rows: number; tally: Tally; count: number | undefined }

/**
 * Reads the next page of a walk, with one call, and applies it. What it returns is to be noted by the caller: until
 * then the same page comes again, which changes nothing more.
 */
export async function readNextPage(
  reading: PollingSlice,
  source: HistorySource,
  walk: Walk,
  request: Omit<ReservationPageRequest, 'afterId'>,
): Promise<ReadPage> {
  const { deps, connection } = reading
  const afterId = cursorOf(walk)
  // Read before the call: the answer may be older than this, never than the call.
  const fetchedAt = await databaseTime(deps.db)
  const page = await callChannel(deps, connection, bulkCall, (channel, call) =>
    capabilityOf(channel, 'reservations').page(call, {
      ...request,
      ...(afterId === undefined ? {} : { afterId }),
    }),
  )
  const step = takePage(walk, page)
  if (step.again) {
    const tally = { created: 0, updated: 0, unchanged: 0, waiting: 0, failed: 0 }
    return { walk: step.walk, ended: false, rows: 0, tally, count: page.count }
  }
  const tally = await applyPage(reading, step.take, fetchedAt)
  if (page.unreadable > 0) {
    await deadLetterRows(reading, page.unreadable, afterId)
    tally.failed += page.unreadable
  }
  countRows(deps.metrics, source, tally)
  const rows = step.take.length + page.unreadable
  return { walk: step.walk, ended: step.ended, rows, tally, count: page.count }
}

function countRows({ historyReservations }: Metrics, source: HistorySource, tally: Tally): void {
  const { created, updated, unchanged, waiting, failed } = tally
  const outcomes = { changed: created + updated, unchanged, waiting, failed }
  for (const [outcome, rows] of Object.entries(outcomes)) historyReservations.inc({ source, outcome }, rows)
}

async function deadLetterRows(
  { deps, connection }: PollingSlice,
  rows: number,
  afterId: string | undefined,
): Promise<void> {
  const place = afterId === undefined ? 'on the first page' : `on the page behind reservation ${afterId}`
  const error = new AppError(
    'invalid_payload',
    `${rows} of the reservations ${place} cannot be read: they have no usable id`,
  )
  await deps.db.transaction().execute((trx) =>
    openDeadLetter(trx, deps, {
      ...ofHistory(connection),
      job: 'read-page',
      // Every pass over them meets the same rows again.
      subject: `${connection.id}:unreadable`,
      payload: { connectionId: connection.id },
      error,
      attempts: 1,
    }),
  )
}
