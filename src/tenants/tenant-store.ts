import type { Kysely } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Database } from '../platform/db/tables.ts'

export type Tenant = { id: string; slug: string; name: string }

/** Creates a tenant; undefined if the slug is taken. */
export async function insertTenant(
  db: Kysely<Database>,
  tenant: { slug: string; name: string },
): Promise<Tenant | undefined> {
  return db
    .insertInto('tenants')
    .values({ id: uuid(), ...tenant })
    .onConflict((conflict) => conflict.column('slug').doNothing())
    .returning(['id', 'slug', 'name'])
    .executeTakeFirst()
}

export async function findTenantBySlug(db: Kysely<Database>, slug: string): Promise<Tenant | undefined> {
  return db.selectFrom('tenants').select(['id', 'slug', 'name']).where('slug', '=', slug).executeTakeFirst()
}

/** Finds the tenant or creates it; safe to run twice and at the same time. */
export async function ensureTenant(
  db: Kysely<Database>,
  slug: string,
): Promise<Tenant & { created: boolean }> {
  const created = await insertTenant(db, { slug, name: slug })
  if (created !== undefined) return { ...created, created: true }
  const found = await findTenantBySlug(db, slug)
  if (found === undefined) throw new Error(`tenant ${slug} vanished while it was looked up`)
  return { ...found, created: false }
}

export async function listTenants(
  db: Kysely<Database>,
  options: { limit: number; after: string | undefined },
): Promise<Array<Tenant & { createdAt: Date }>> {
  let query = db
    .selectFrom('tenants')
    .select(['id', 'slug', 'name', 'created_at as createdAt'])
    .orderBy('id')
    .limit(options.limit + 1)
  if (options.after !== undefined) query = query.where('id', '>', options.after)
  return query.execute()
}
