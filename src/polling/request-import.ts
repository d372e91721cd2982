import type { Kysely, Transaction } from 'kysely'
import type { Connection } from '../connections/connection-store.ts'
import type { ImportRow } from '../platform/db/history-tables.ts'
import type { Database } from '../platform/db/tables.ts'
import { Problem } from '../platform/http/problems.ts'
import { cancelImportOf, findRunningImport, insertImport, type StayRange } from './import-store.ts'
import { beginReconciling } from './reconcile-store.ts'

const everything: StayRange = { from: null, to: null }

/**
 * Begins the import that follows connecting, in the transaction that makes the connection active: one that is active
 * has its import, wherever the process dies. Its listings were read while connecting. What was begun before it was
 * disconnected, perhaps of another account, ends.
 */
export async function beginFirstImport(
  trx: Transaction<Database>,
  connection: { id: string; tenantId: string },
): Promise<void> {
  await cancelImportOf(trx, connection.id)
  await beginReconciling(trx, connection.id)
  await insertImport(trx, connection, { stays: everything, listingsRead: true })
}

/**
 * Begins an import, or gives the running one where that reads all that is asked for. One that reads less stands in the
 * way (409), and so does a connection that is not connected; a paused one has its import wait.
 */
export async function requestImport(
  db: Kysely<Database>,
  connection: Connection,
  stays: StayRange,
): Promise<ImportRow> {
  if (connection.status === 'connecting' || connection.status === 'disconnected') {
    throw new Problem(
      409,
      'CONNECTION_NOT_ACTIVE',
      `The connection is ${connection.status}; connect it with POST /v1/connections first`,
    )
  }
  const begun = await db
    .transaction()
    .execute((trx) => insertImport(trx, connection, { stays, listingsRead: false }))
  if (begun !== undefined) return begun
  const running = await findRunningImport(db, connection.id)
  // It ended between the two looks.
  if (running === undefined) return requestImport(db, connection, stays)
  if (covers(running, stays)) return running
  throw new Problem(
    409,
    'IMPORT_RUNNING',
    `Import ${running.id} is running and reads other stays; wait for its end, or cancel it`,
  )
}

function covers({ stay_from, stay_to }: ImportRow, { from, to }: StayRange): boolean {
  const coversStart = stay_from === null || (from !== null && stay_from <= from)
  const coversEnd = stay_to === null || (to !== null && stay_to >= to)
  return coversStart && coversEnd
}
