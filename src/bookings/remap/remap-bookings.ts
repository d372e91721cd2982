import type { Kysely, Transaction } from 'kysely'
import type { Channels } from '../../channels/contract/channel.ts'
import { findConnection } from '../../connections/connection-store.ts'
import type { BookingRemapRow } from '../../platform/db/mapping-tables.ts'
import type { Database } from '../../platform/db/tables.ts'
import { type AppError, factsOf, toAppError } from '../../platform/errors.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import { type RemapCounts, type Remapped, remapReservations } from './remap-reservations.ts'
import { advanceRemap, endRemap, nextRemap, nextReservations, type RemapProgress } from './remap-store.ts'

export type RemapDeps = { db: Kysely<Database>; channels: Channels; log: Logger }

const pageReservations = 50

/**
 * Works on the running remaps, a page of each connection at a time, for about `sliceMs`; returns how
 * many reservations it mapped. A page and its place in the remap are committed together, so a process that dies loses
 * no more than the page it was at.
 */
export async function continueRemaps(deps: RemapDeps, sliceMs: number): Promise<number> {
  const startedAt = performance.now()
  let mapped = 0
  while (performance.now() - startedAt < sliceMs) {
    const remap = await nextRemap(deps.db)
    if (remap === undefined) break
    mapped += await continueRemap(deps, remap)
  }
  return mapped
}

async function continueRemap(deps: RemapDeps, remap: BookingRemapRow): Promise<number> {
  const { db, channels, log } = deps
  const connection = await findConnection(db, remap.connection_id)
  const page = await nextReservations(db, remap, pageReservations)
  if (connection === undefined || page.length === 0) {
    await endRemap(db, remap.id, 'completed')
    log.info({ remapId: remap.id, connectionId: remap.connection_id, total: remap.total }, 'mapping.remapped')
    return 0
  }
  const remapped = { connection, format: channels.of(connection.channel).format }
  try {
    await mapPage(db, remapped, remap, page)
  } catch (error) {
    if (error instanceof RemapMoved) return 0
    await mapOneByOne(deps, remapped, remap, page, toAppError(error))
  }
  return page.length
}

// The remap was cancelled or another process did the page: this process rolls its part back.
class RemapMoved extends Error {}

async function mapPage(
  db: Kysely<Database>,
  remapped: Remapped,
  remap: BookingRemapRow,
  page: string[],
): Promise<void> {
  await remapReservations(db, remapped, page, (trx, counts) => advance(trx, remap, page, counts))
}

async function advance(
  trx: Transaction<Database>,
  remap: BookingRemapRow,
  page: string[],
  { changed, waiting }: RemapCounts,
  failure?: AppError,
): Promise<void> {
  const progress: RemapProgress = {
    after: page.at(-1) ?? remap.after_external_id,
    done: page.length,
    changed,
    waiting,
    failed: failure === undefined ? 0 : page.length,
    error: failure === undefined ? undefined : `reservation ${page.join(', ')}: ${failure.message}`,
  }
  if (!(await advanceRemap(trx, remap, progress))) throw new RemapMoved('The remap has moved on')
}

// One reservation that cannot be written must not hold up the others. A database that is away is waited for.
async function mapOneByOne(
  { db, log }: RemapDeps,
  remapped: Remapped,
  remap: BookingRemapRow,
  page: string[],
  failure: AppError,
): Promise<void> {
  if (factsOf(failure).outcome !== 'deadLetter') throw failure
  let at = remap
  for (const externalId of page) {
    try {
      await mapPage(db, remapped, at, [externalId])
    } catch (caught) {
      if (caught instanceof RemapMoved) return
      const error = toAppError(caught)
      if (factsOf(error).outcome !== 'deadLetter') throw error
      log.warn({ err: error, remapId: remap.id, reservation: externalId }, 'mapping.remap_failed')
      await db
        .transaction()
        .execute((trx) => advance(trx, at, [externalId], { changed: 0, waiting: 0 }, error))
    }
    at = { ...at, after_external_id: externalId }
  }
}
