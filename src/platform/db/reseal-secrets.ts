import type { Kysely } from 'kysely'
import { AppError } from '../errors.ts'
import {
  createVault,
  type KeyRing,
  keyIdOf,
  type SealedPlace,
  sealedPrefix,
  type Vault,
} from '../vault/vault.ts'
import { type SealedTable, sealedTables } from './sealed-columns.ts'
import { type Replacement, readSealedRows, replaceSealed, type SealedRow } from './sealed-store.ts'
import type { Database } from './tables.ts'

export type SealingState = {
  /** How many values say of themselves that this key sealed them. */
  countByKey: Map<string, number>
  /** What no key of the ring opens, and which key it asks for. */
  unreadable: Array<SealedPlace & { keyId: string }>
}

type SealedValue = { sealed: string; place: SealedPlace }

const rowsPerBatch = 200
// A process that still seals under an older key can be faster than a pass, but not for ever.
const maxPasses = 5

/** Opens everything that is sealed and says which keys that took. Changes nothing. */
export async function inspectSealing(db: Kysely<Database>, ring: KeyRing): Promise<SealingState> {
  const vault = createVault(ring)
  const state: SealingState = { countByKey: new Map(), unreadable: [] }
  for (const { table, columns } of sealedTables) {
    for await (const row of sealedRows(db, table, columns)) {
      for (const { sealed, place } of valuesOf(row, table, columns)) {
        const keyId = keyIdOf(sealed)
        state.countByKey.set(keyId, (state.countByKey.get(keyId) ?? 0) + 1)
        if (openIfPossible(vault, sealed, place) === undefined) state.unreadable.push({ ...place, keyId })
      }
    }
  }
  return state
}

/**
 * Re-seals every value that was not sealed under the first key of the ring, while the service runs; returns how many
 * values. Each batch is committed by itself and replaces only what is still as it was read, so it is safe to kill, to
 * repeat and to run beside anything that writes secrets. What no key opens stays as it is.
 */
export async function resealSecrets(db: Kysely<Database>, ring: KeyRing): Promise<number> {
  const vault = createVault(ring)
  const prefix = sealedPrefix(ring[0]?.id ?? '')
  let resealed = 0
  for (let pass = 0; pass < maxPasses; pass += 1) {
    let replaced = 0
    for (const { table, columns } of sealedTables) {
      for await (const rows of batchesOf(db, table, columns, prefix)) {
        for (const column of columns) {
          const stale = rows.flatMap((row) => valuesOf(row, table, [column]))
          replaced += await replaceSealed(db, table, column, sealAnew(vault, prefix, stale))
        }
      }
    }
    resealed += replaced
    if (replaced === 0) break
  }
  return resealed
}

function sealAnew(vault: Vault, prefix: string, values: SealedValue[]): Replacement[] {
  return values.flatMap(({ sealed, place }) => {
    const opened = sealed.startsWith(prefix) ? undefined : openIfPossible(vault, sealed, place)
    return opened === undefined ? [] : [{ id: place.row, stale: sealed, fresh: vault.seal(opened, place) }]
  })
}

async function* sealedRows(
  db: Kysely<Database>,
  table: SealedTable,
  columns: string[],
): AsyncGenerator<SealedRow> {
  for await (const rows of batchesOf(db, table, columns, undefined)) yield* rows
}

async function* batchesOf(
  db: Kysely<Database>,
  table: SealedTable,
  columns: string[],
  unlessPrefix: string | undefined,
): AsyncGenerator<SealedRow[]> {
  let after: string | undefined
  for (;;) {
    const rows = await readSealedRows(db, table, columns, { unlessPrefix, after, limit: rowsPerBatch })
    yield rows
    after = rows.at(-1)?.id
    if (rows.length < rowsPerBatch) return
  }
}

function valuesOf(row: SealedRow, table: SealedTable, columns: string[]): SealedValue[] {
  return columns.flatMap((column) => {
    const sealed = row[column]
    return sealed == null ? [] : [{ sealed, place: { table, column, row: row.id } }]
  })
}

function openIfPossible(vault: Vault, sealed: string, place: SealedPlace): string | undefined {
  try {
    return vault.open(sealed, place)
  } catch (error) {
    if (!(error instanceof AppError && error.kind === 'sealed_unreadable')) throw error
    return undefined
  }
}
