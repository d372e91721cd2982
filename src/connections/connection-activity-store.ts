import { type Kysely, sql } from 'kysely'
import type { ImportStatus } from '../platform/db/history-tables.ts'
import type { Database } from '../platform/db/tables.ts'

/** What happened last on a connection: when the last webhook was stored, and the newest import of its history. */
export type ConnectionActivity = {
  lastInboundAt: Date | null
  newestImport: { id: string; status: ImportStatus } | null
}

/** What happened last on each of these connections, by their ids. */
export async function findActivities(
  db: Kysely<Database>,
  connectionIds: string[],
): Promise<Map<string, ConnectionActivity>> {
  if (connectionIds.length === 0) return new Map()
  const rows = await db
    .selectFrom('hostaway_connections')
    .select((eb) => [
      'hostaway_connections.id',
      // The newest entry of an index; keeping a column up to date would write once per webhook.
      eb
        .selectFrom('webhook_logs')
        .select('webhook_logs.received_at')
        .whereRef('webhook_logs.tenant_id', '=', 'hostaway_connections.tenant_id')
        .whereRef('webhook_logs.connection_id', '=', 'hostaway_connections.id')
        .orderBy('webhook_logs.id', 'desc')
        .limit(1)
        .as('lastInboundAt'),
      eb
        .selectFrom('imports')
        .select(
          sql<NonNullable<ConnectionActivity['newestImport']>>`
            jsonb_build_object('id', imports.id, 'status', imports.status)
          `.as('newest'),
        )
        .whereRef('imports.connection_id', '=', 'hostaway_connections.id')
        .orderBy('imports.id', 'desc')
        .limit(1)
        .as('newestImport'),
    ])
    .where('hostaway_connections.id', '=', sql<string>`any(${connectionIds}::uuid[])`)
    .execute()
  return new Map(rows.map(({ id, lastInboundAt, newestImport }) => [id, { lastInboundAt, newestImport }]))
}
