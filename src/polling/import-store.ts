import { type Kysely, sql, type Transaction } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { ImportRow, Walk } from '../platform/db/history-tables.ts'
import type { Database } from '../platform/db/tables.ts'
import { requestPolling } from './polling-lease-store.ts'
import { startWalk } from './walk.ts'

/** Stays that touch these days, both inclusive; null where there is no bound. */
export type StayRange = { from: string | null; to: string | null }

/** What became of reservations that were read. */
export type Tally = { created: number; updated: number; unchanged: number; waiting: number; failed: number }

/** The most that the channel gives at once, so that the calls are few. */
export const maxPageSize = 500
const newestRateShare = 0.3

/**
 * Begins an import; undefined where one of the connection is running. In the caller's transaction, so that whatever
 * asked for it and the import are there together.
 */
export async function insertImport(
  trx: Transaction<Database>,
  connection: { id: string; tenantId: string },
  { stays, listingsRead }: { stays: StayRange; listingsRead: boolean },
): Promise<ImportRow | undefined> {
  const row = await trx
    .insertInto('imports')
    .values({
      id: uuid(),
      tenant_id: connection.tenantId,
      connection_id: connection.id,
      stay_from: stays.from,
      stay_to: stays.to,
      listings_read: listingsRead,
      walk: JSON.stringify(startWalk(null)),
      page_size: maxPageSize,
    })
    .onConflict((conflict) => conflict.columns(['connection_id']).where('status', '=', 'running').doNothing())
    .returningAll()
    .executeTakeFirst()
  if (row !== undefined) await requestPolling(trx, connection.id, 'import')
  return row
}

export async function findRunningImport(
  db: Kysely<Database>,
  connectionId: string,
): Promise<ImportRow | undefined> {
  return db
    .selectFrom('imports')
    .selectAll()
    .where('connection_id', '=', connectionId)
    .where('status', '=', 'running')
    .executeTakeFirst()
}

export async function findImport(
  db: Kysely<Database>,
  key: { id: string; connectionId: string },
): Promise<ImportRow | undefined> {
  return db
    .selectFrom('imports')
    .selectAll()
    .where('id', '=', key.id)
    .where('connection_id', '=', key.connectionId)
    .executeTakeFirst()
}

/** Imports of a connection, newest first. */
export async function listImports(
  db: Kysely<Database>,
  options: { connectionId: string; limit: number; before: string | undefined },
): Promise<ImportRow[]> {
  let query = db
    .selectFrom('imports')
    .selectAll()
    .where('connection_id', '=', options.connectionId)
    .orderBy('id', 'desc')
    .limit(options.limit + 1)
  if (options.before !== undefined) query = query.where('id', '<', options.before)
  return query.execute()
}

/** Notes that the listings are there. */
export async function noteListingsRead(db: Kysely<Database>, id: string): Promise<void> {
  await db
    .updateTable('imports')
    .set({ listings_read: true, started_at: sql<Date>`coalesce(started_at, clock_timestamp())` })
    .where('id', '=', id)
    .execute()
}

/** How far an import has come with a page. */
export type ImportedPage = {
  walk: Walk
  rows: number
  tally: Tally
  /** How many rows there are, if the channel said so. */
  total: number | undefined
  milliseconds: number
}

/**
 * Notes a page. Later passes meet again what the first one has counted; only what they changed is news. Undefined where
 * the import was cancelled meanwhile.
 */
export async function notePage(
  trx: Transaction<Database>,
  row: Pick<ImportRow, 'id' | 'pass'>,
  page: ImportedPage,
): Promise<ImportRow | undefined> {
  const { tally, rows } = page
  const isFirstPass = row.pass === 0
  const counted = isFirstPass ? rows : 0
  const perSecond = (rows * 1_000) / Math.max(1, page.milliseconds)
  const { rows: updated } = await sql<ImportRow>`
    update imports set walk = ${JSON.stringify(page.walk)}::jsonb,
      changed_in_pass = changed_in_pass + ${tally.created + tally.updated},
      done = done + ${counted},
      total = case when ${isFirstPass} then greatest(done + ${counted}, ${page.total ?? null}::integer) else total end,
      created = created + ${tally.created}, updated = updated + ${tally.updated},
      unchanged = unchanged + ${isFirstPass ? tally.unchanged : 0},
      waiting = waiting + ${isFirstPass ? tally.waiting : 0}, failed = failed + ${isFirstPass ? tally.failed : 0},
      rows_per_second = case when ${isFirstPass} and ${rows} > 0
        then coalesce(rows_per_second * (1 - ${newestRateShare}::float8) + ${perSecond}::float8 * ${newestRateShare}::float8, ${perSecond}::float8)
        else rows_per_second end,
      attempts = 0, last_error = null,
      started_at = coalesce(started_at, clock_timestamp()), page_at = clock_timestamp()
    where id = ${row.id} and status = 'running'
    returning *
  `.execute(trx)
  return updated[0]
}

/** Begins the next pass, down to what last changed at `downTo`. */
export async function beginPass(trx: Transaction<Database>, id: string, downTo: Date): Promise<void> {
  await sql`
    update imports set pass = pass + 1, changed_in_pass = 0,
      walk = ${JSON.stringify(startWalk(downTo))}::jsonb
    where id = ${id} and status = 'running'
  `.execute(trx)
}

/**
 * Completes an import that runs: all of `total` reservations were read, those that changed before they were read with the
 * passes after it.
 */
export async function completeImport(
  trx: Transaction<Database>,
  id: string,
  total: number | undefined,
): Promise<ImportRow | undefined> {
  const { rows } = await sql<ImportRow>`
    update imports set status = 'completed', finished_at = clock_timestamp(),
      done = coalesce(${total ?? null}::integer, done), total = coalesce(${total ?? null}::integer, done)
    where id = ${id} and status = 'running'
    returning *
  `.execute(trx)
  return rows[0]
}

/** Ends an import that runs before it has read everything; undefined where it has ended already. */
export async function endImport(
  db: Kysely<Database>,
  id: string,
  status: 'failed' | 'cancelled',
  error: string | null = null,
): Promise<ImportRow | undefined> {
  return db
    .updateTable('imports')
    .set({
      status,
      finished_at: sql<Date>`clock_timestamp()`,
      ...(error === null ? {} : { last_error: error }),
    })
    .where('id', '=', id)
    .where('status', '=', 'running')
    .returningAll()
    .executeTakeFirst()
}

/** Notes a failure that is tried again, perhaps with smaller pages. */
export async function noteImportFailure(
  db: Kysely<Database>,
  id: string,
  failure: { usesAttempt: boolean; pageSize: number; message: string },
): Promise<void> {
  await sql`
    update imports set attempts = attempts + ${failure.usesAttempt ? 1 : 0}, page_size = ${failure.pageSize},
      last_error = ${failure.message}
    where id = ${id} and status = 'running'
  `.execute(db)
}

/**
 * Resumes a failed import where it stopped, or from the top if its cursor leads nowhere; false if it did not fail or
 * another one is running. In the transaction that closes its dead letter.
 */
export async function reopenImport(trx: Transaction<Database>, id: string): Promise<boolean> {
  const { rows } = await sql<{ connection_id: string }>`
    update imports set status = 'running', attempts = 0, finished_at = null, walk = walk || '{"restarts": 0}'
    where id = ${id} and status = 'failed'
      and not exists (select 1 from imports other where other.connection_id = imports.connection_id and other.status = 'running')
    returning connection_id
  `.execute(trx)
  const [reopened] = rows
  if (reopened === undefined) return false
  await requestPolling(trx, reopened.connection_id, 'import')
  return true
}

/** Cancels the import of a connection that runs, if there is one. */
export async function cancelImportOf(trx: Transaction<Database>, connectionId: string): Promise<void> {
  await trx
    .updateTable('imports')
    .set({ status: 'cancelled', finished_at: sql<Date>`clock_timestamp()` })
    .where('connection_id', '=', connectionId)
    .where('status', '=', 'running')
    .execute()
}

/** Cancels what runs for connections that are disconnected by now; returns how many. Safe to repeat. */
export async function cancelImportsOfDisconnected(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql`
    update imports set status = 'cancelled', finished_at = clock_timestamp()
    from hostaway_connections connection
    where imports.status = 'running' and connection.id = imports.connection_id
      and connection.status = 'disconnected'
    returning 1
  `.execute(db)
  return rows.length
}

export async function countRunningImports(db: Kysely<Database>): Promise<number> {
  const { count } = await db
    .selectFrom('imports')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .where('status', '=', 'running')
    .executeTakeFirstOrThrow()
  return Number(count)
}
