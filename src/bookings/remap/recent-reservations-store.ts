import type { Kysely } from 'kysely'
import type { Database } from '../../platform/db/tables.ts'

type Scope = { id: string; tenantId: string }

/**
 * The reservations of a connection whose bookings changed last, and after them those that began to wait for a person
 * last, `limit` in all.
 */
export async function listRecentReservations(
  db: Kysely<Database>,
  scope: Scope,
  limit: number,
): Promise<string[]> {
  const booked = await db
    .selectFrom('bookings')
    .select('external_id')
    .where('tenant_id', '=', scope.tenantId)
    .where('connection_id', '=', scope.id)
    .orderBy('updated_at', 'desc')
    .limit(limit)
    .execute()
  const waiting = [
    ...(await listWaiting(db, scope, 'pending', limit)),
    ...(await listWaiting(db, scope, 'mapped', limit)),
  ].sort((a, b) => (a.id < b.id ? 1 : -1))
  const ids = new Set([...booked, ...waiting].map(({ external_id }) => external_id))
  return [...ids].slice(0, limit)
}

async function listWaiting(
  db: Kysely<Database>,
  scope: Scope,
  status: 'pending' | 'mapped',
  limit: number,
): Promise<Array<{ id: string; external_id: string }>> {
  return db
    .selectFrom('hostaway_booking_queue')
    .select(['id', 'external_id'])
    .where('tenant_id', '=', scope.tenantId)
    .where('connection_id', '=', scope.id)
    .where('status', '=', status)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
}
