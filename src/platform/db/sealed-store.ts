import { type Kysely, sql } from 'kysely'
import type { SealedTable } from './sealed-columns.ts'
import type { Database } from './tables.ts'

export type SealedRow = { id: string } & Record<string, string | null>
export type Replacement = { id: string; stale: string; fresh: string }

/** Rows in which one of these columns holds something (with `unlessPrefix`: that does not begin so), by their ids. */
export async function readSealedRows(
  db: Kysely<Database>,
  table: SealedTable,
  columns: string[],
  options: { unlessPrefix: string | undefined; after: string | undefined; limit: number },
): Promise<SealedRow[]> {
  const { unlessPrefix, after, limit } = options
  const wanted = columns.map((column) =>
    unlessPrefix === undefined
      ? sql<boolean>`${sql.ref(column)} is not null`
      : sql<boolean>`not starts_with(${sql.ref(column)}, ${unlessPrefix})`,
  )
  const { rows } = await sql<SealedRow>`
    select id, ${sql.join(columns.map((column) => sql.ref(column)))} from ${sql.table(table)}
    where (${sql.join(wanted, sql` or `)}) and (${after ?? null}::uuid is null or id > ${after ?? null}::uuid)
    order by id limit ${limit}
  `.execute(db)
  return rows
}

/** Puts fresh values in the place of those that are still what was read; returns how many were. */
export async function replaceSealed(
  db: Kysely<Database>,
  table: SealedTable,
  column: string,
  replacements: Replacement[],
): Promise<number> {
  if (replacements.length === 0) return 0
  const { numAffectedRows } = await sql`
    update ${sql.table(table)} as sealed set ${sql.ref(column)} = replacement.fresh
    from unnest(
      ${replacements.map(({ id }) => id)}::uuid[],
      ${replacements.map(({ stale }) => stale)}::text[],
      ${replacements.map(({ fresh }) => fresh)}::text[]
    ) as replacement (id, stale, fresh)
    where sealed.id = replacement.id and sealed.${sql.ref(column)} = replacement.stale
  `.execute(db)
  return Number(numAffectedRows ?? 0)
}
