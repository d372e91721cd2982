import { type Kysely, sql } from 'kysely'
import type { Database } from '../../src/platform/db/tables.ts'

/** A digest of everything that belongs to a tenant, by table: of every table that says whose its rows are. */
export async function rowsOfTenant(db: Kysely<Database>, slug: string): Promise<Record<string, string>> {
  const { rows: tables } = await sql<{ name: string }>`
    select table_name as name from information_schema.columns
    where table_schema = 'public' and column_name = 'tenant_id' order by table_name
  `.execute(db)
  const digests = tables.map(
    ({ name }) => sql`
      select ${sql.lit(name)} as name, coalesce(md5(string_agg(row::text, ' ' order by row::text)), '') as digest
      from ${sql.table(name)} row join tenants on tenants.id = row.tenant_id and tenants.slug = ${slug}
    `,
  )
  const { rows } = await sql<{
    name: string
    digest: string
  }>`${sql.join(digests, sql` union all `)}`.execute(db)
  return Object.fromEntries(rows.map(({ name, digest }) => [name, digest]))
}
