import { sql, type Transaction } from 'kysely'
import type { Database } from '../platform/db/tables.ts'

/**
 * Names the lock that keeps a connection's mapping as it is: writers of reservations hold it in share
 * mode, a replacement holds it exclusively. So once a new mapping is committed, no writer still uses the old one.
 */
export function mappingLockKey(connectionId: string): string {
  return `mapping:${connectionId}`
}

/** Waits until no transaction writes with the connection's mapping. Call it first in a transaction. */
export async function lockMapping(trx: Transaction<Database>, connectionId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${mappingLockKey(connectionId)}, 0))`.execute(trx)
}
