import { type Kysely, sql, type Transaction } from 'kysely'
import type { MappingSpecRow } from '../platform/db/mapping-tables.ts'
import type { Database } from '../platform/db/tables.ts'
import { lockMapping } from './mapping-lock.ts'
import type { MappingSpec } from './mapping-spec.ts'

/** One version of a connection's mapping; versions are never changed. */
export type StoredMapping = { version: number; spec: MappingSpec; createdAt: Date }

/** The versions in force, the newest ones, by connection; a connection that maps by default has none. */
export async function findMappingVersions(
  db: Kysely<Database>,
  connectionIds: string[],
): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('mapping_specs')
    .select(['connection_id', 'version'])
    .distinctOn('connection_id')
    .where('connection_id', '=', sql<string>`any(${connectionIds}::uuid[])`)
    .orderBy('connection_id')
    .orderBy('version', 'desc')
    .execute()
  return new Map(rows.map(({ connection_id, version }) => [connection_id, version]))
}

/** A version of a connection's mapping; undefined where there is none of that number. */
export async function findMapping(
  db: Kysely<Database>,
  connectionId: string,
  version: number,
): Promise<StoredMapping | undefined> {
  const row = await db
    .selectFrom('mapping_specs')
    .selectAll()
    .where('connection_id', '=', connectionId)
    .where('version', '=', version)
    .executeTakeFirst()
  return row === undefined ? undefined : toStoredMapping(row)
}

/** The version in force; undefined where the connection maps by default. */
export async function findCurrentMapping(
  db: Kysely<Database>,
  connectionId: string,
): Promise<StoredMapping | undefined> {
  const row = await db
    .selectFrom('mapping_specs')
    .selectAll()
    .where('connection_id', '=', connectionId)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row === undefined ? undefined : toStoredMapping(row)
}

/** The versions of a connection's mapping, newest first. */
export async function listMappings(
  db: Kysely<Database>,
  options: { connectionId: string; limit: number; before: number | undefined },
): Promise<StoredMapping[]> {
  let query = db
    .selectFrom('mapping_specs')
    .selectAll()
    .where('connection_id', '=', options.connectionId)
    .orderBy('version', 'desc')
    .limit(options.limit + 1)
  if (options.before !== undefined) query = query.where('version', '<', options.before)
  return (await query.execute()).map(toStoredMapping)
}

/**
 * Stores a spec as the next version and puts it in force once no transaction writes with the previous one. The same
 * spec again makes no new version. Undefined, with nothing changed, where another version than `expected` is in force.
 */
export async function storeMapping(
  db: Kysely<Database>,
  connection: { id: string; tenantId: string },
  spec: MappingSpec,
  expected: number | undefined,
): Promise<StoredMapping | undefined> {
  return db.transaction().execute(async (trx) => {
    await lockMapping(trx, connection.id)
    const current = await findCurrentMapping(trx, connection.id)
    const version = current?.version ?? 0
    if (expected !== undefined && expected !== version) return undefined
    if (current !== undefined && JSON.stringify(current.spec) === JSON.stringify(spec)) return current
    return insertMapping(trx, connection, spec, version + 1)
  })
}

async function insertMapping(
  trx: Transaction<Database>,
  { id, tenantId }: { id: string; tenantId: string },
  spec: MappingSpec,
  version: number,
): Promise<StoredMapping> {
  const row = await trx
    .insertInto('mapping_specs')
    .values({ connection_id: id, version, tenant_id: tenantId, spec: JSON.stringify(spec) })
    .returningAll()
    .executeTakeFirstOrThrow()
  return toStoredMapping(row)
}

function toStoredMapping(row: MappingSpecRow): StoredMapping {
  return { version: row.version, spec: row.spec as MappingSpec, createdAt: row.created_at }
}
