import type { Kysely } from 'kysely'
import { LRUCache } from 'lru-cache'
import type { Database } from '../platform/db/tables.ts'
import { type CompiledMapping, compileMapping } from './apply-mapping.ts'
import { findMapping, findMappingVersions } from './mapping-store.ts'

const maxKept = 500

// A version never changes, so its cache entry is never stale.
const kept = new LRUCache<string, CompiledMapping>({ max: maxKept })

/**
 * The mappings in force, by connection; none for a connection that maps by default. Inside a transaction that holds
 * the locks of reservations of theirs, they stay in force until its end.
 */
export async function compiledMappings(
  db: Kysely<Database>,
  connectionIds: string[],
): Promise<Map<string, CompiledMapping>> {
  const mappings = new Map<string, CompiledMapping>()
  for (const [connectionId, version] of await findMappingVersions(db, [...new Set(connectionIds)])) {
    const mapping = await compiledMapping(db, connectionId, version)
    if (mapping !== undefined) mappings.set(connectionId, mapping)
  }
  return mappings
}

async function compiledMapping(
  db: Kysely<Database>,
  connectionId: string,
  version: number,
): Promise<CompiledMapping | undefined> {
  const key = `${connectionId} ${version}`
  const known = kept.get(key)
  if (known !== undefined) return known
  const stored = await findMapping(db, connectionId, version)
  if (stored === undefined) return undefined
  const mapping = compileMapping(stored.spec, version)
  kept.set(key, mapping)
  return mapping
}
