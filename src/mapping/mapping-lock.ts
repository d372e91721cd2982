import { sql, type Transaction } from 'kysely'
import type { Database } from '../platform/db/tables.ts'

/**
 * Names the lock that keeps a connection's mapping as it is: shared by everybody who writes reservations by it,
 * exclusive for who replaces it. So once a new mapping is committed, nothing is written by the old one any more.
 */
export function mappingLockKey(connectionId: string): string {
  return `mapping:${connectionId}`
}

/** Waits until nobody writes by the connection's mapping. Comes first in a transaction. */
export async function lockMapping(trx: Transaction<Database>, connectionId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${mappingLockKey(connectionId)}, 0))`.execute(trx)
}
