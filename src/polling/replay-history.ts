import type { Transaction } from 'kysely'
import type { Database, DeadLetterRow } from '../platform/db/tables.ts'
import { Problem } from '../platform/http/problems.ts'
import { insertImport, reopenImport } from './import-store.ts'
import { requestFetch } from './refetch-requested.ts'

/**
 * Replays a dead letter of polling in the transaction that closes it: an import resumes where it stopped, a reservation
 * is fetched, and for rows without an id everything is read once more. Throws a Problem if the dead letter must stay
 * open for now.
 */
export async function replayHistory(
  trx: Transaction<Database>,
  { payload, tenant_id: tenantId }: Pick<DeadLetterRow, 'payload' | 'tenant_id'>,
): Promise<void> {
  const { connectionId, importId, reservationId } = payload
  if (connectionId === undefined) return
  if (importId !== undefined) await resumeImporting(trx, importId)
  else if (reservationId !== undefined) await requestFetch(trx, { connectionId, externalId: reservationId })
  else if (tenantId !== null) {
    const everything = { from: null, to: null }
    await insertImport(trx, { id: connectionId, tenantId }, { stays: everything, listingsRead: false })
  }
}

async function resumeImporting(trx: Transaction<Database>, importId: string): Promise<void> {
  if (await reopenImport(trx, importId)) return
  throw new Problem(
    409,
    'IMPORT_RUNNING',
    'Another import of the connection is running; replay this one when that has ended',
  )
}
