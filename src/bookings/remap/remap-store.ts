import { type Kysely, sql, type Transaction } from 'kysely'
import { v7 as uuid } from 'uuid'
import { lockMapping } from '../../mapping/mapping-lock.ts'
import { findMappingVersions } from '../../mapping/mapping-store.ts'
import type { BookingRemapRow } from '../../platform/db/mapping-tables.ts'
import type { Database } from '../../platform/db/tables.ts'

/**
 * Begins to map the bookings of a connection again. A running one for the mapping in force continues and is
 * answered; one that was begun for an earlier mapping ends. Safe to repeat and to call from several places at once.
 */
export async function startRemap(
  db: Kysely<Database>,
  connection: { id: string; tenantId: string },
): Promise<BookingRemapRow> {
  return db.transaction().execute(async (trx) => {
    // Keeps the version as it is, and others who start one waiting.
    await lockMapping(trx, connection.id)
    const mapping_version = (await findMappingVersions(trx, [connection.id])).get(connection.id) ?? 0
    const running = await trx
      .selectFrom('booking_remaps')
      .selectAll()
      .where('connection_id', '=', connection.id)
      .where('status', '=', 'running')
      .forUpdate()
      .executeTakeFirst()
    if (running?.mapping_version === mapping_version) return running
    if (running !== undefined) await endRemap(trx, running.id, 'cancelled')
    return trx
      .insertInto('booking_remaps')
      .values({
        id: uuid(),
        tenant_id: connection.tenantId,
        connection_id: connection.id,
        mapping_version,
        total: await countReservations(trx, connection.id),
      })
      .returningAll()
      .executeTakeFirstOrThrow()
  })
}

/** Ends a remap that runs; the row as it is then, undefined where it had ended already. */
export async function endRemap(
  db: Kysely<Database>,
  id: string,
  status: 'completed' | 'cancelled',
): Promise<BookingRemapRow | undefined> {
  return db
    .updateTable('booking_remaps')
    .set({ status, finished_at: sql<Date>`clock_timestamp()`, updated_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', id)
    .where('status', '=', 'running')
    .returningAll()
    .executeTakeFirst()
}

/** The running remap that has waited longest; undefined where none runs. */
export async function nextRemap(db: Kysely<Database>): Promise<BookingRemapRow | undefined> {
  return db
    .selectFrom('booking_remaps')
    .selectAll()
    .where('status', '=', 'running')
    .orderBy('updated_at')
    .limit(1)
    .executeTakeFirst()
}

/** The reservations that come next in a remap, in their order. */
export async function nextReservations(
  db: Kysely<Database>,
  { connection_id, after_external_id }: Pick<BookingRemapRow, 'connection_id' | 'after_external_id'>,
  limit: number,
): Promise<string[]> {
  const { rows } = await sql<{ external_id: string }>`
    (select external_id from bookings
      where connection_id = ${connection_id} and external_id > ${after_external_id}
      order by external_id limit ${limit})
    union
    (select external_id from hostaway_booking_queue
      where connection_id = ${connection_id} and external_id > ${after_external_id}
        and status in ('pending', 'mapped')
      order by external_id limit ${limit})
    order by external_id
    limit ${limit}
  `.execute(db)
  return rows.map(({ external_id }) => external_id)
}

export type RemapProgress = {
  /** The last of the reservations that are done now. */
  after: string
  done: number
  changed: number
  waiting: number
  failed: number
  error: string | undefined
}

/** Moves a remap on, in the transaction of the work; false where it has ended or another process has moved it. */
export async function advanceRemap(
  trx: Transaction<Database>,
  remap: BookingRemapRow,
  progress: RemapProgress,
): Promise<boolean> {
  const result = await trx
    .updateTable('booking_remaps')
    .set((eb) => ({
      after_external_id: progress.after,
      done: eb('done', '+', progress.done),
      changed: eb('changed', '+', progress.changed),
      waiting: eb('waiting', '+', progress.waiting),
      failed: eb('failed', '+', progress.failed),
      updated_at: sql<Date>`clock_timestamp()`,
      ...(progress.error === undefined ? {} : { last_error: progress.error }),
    }))
    .where('id', '=', remap.id)
    .where('status', '=', 'running')
    .where('after_external_id', '=', remap.after_external_id)
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

export async function findRemap(
  db: Kysely<Database>,
  connectionId: string,
  id: string,
): Promise<BookingRemapRow | undefined> {
  return db
    .selectFrom('booking_remaps')
    .selectAll()
    .where('connection_id', '=', connectionId)
    .where('id', '=', id)
    .executeTakeFirst()
}

/** The remaps of a connection, newest first. */
export async function listRemaps(
  db: Kysely<Database>,
  options: { connectionId: string; limit: number; before: string | undefined },
): Promise<BookingRemapRow[]> {
  let query = db
    .selectFrom('booking_remaps')
    .selectAll()
    .where('connection_id', '=', options.connectionId)
    .orderBy('id', 'desc')
    .limit(options.limit + 1)
  if (options.before !== undefined) query = query.where('id', '<', options.before)
  return query.execute()
}

async function countReservations(db: Kysely<Database>, connectionId: string): Promise<number> {
  const { rows } = await sql<{ total: number }>`
    select count(*)::integer as total from (
      select external_id from bookings where connection_id = ${connectionId}
      union
      select external_id from hostaway_booking_queue
      where connection_id = ${connectionId} and status in ('pending', 'mapped')
    ) reservation
  `.execute(db)
  return rows[0]?.total ?? 0
}
