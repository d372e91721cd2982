import type { FastifyRequest } from 'fastify'
import type { Kysely } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import { notFound, Problem } from '../platform/http/problems.ts'
import { findTenantBySlug, type Tenant } from './tenant-store.ts'

/** The tenant a request is about: the one it names, or the caller's own. Another tenant does not exist for the caller. */
export async function requireTenant(
  db: Kysely<Database>,
  request: FastifyRequest,
  named: string | undefined,
): Promise<Tenant> {
  const slug = named ?? request.caller.tenantSlug
  if (slug === null) {
    throw new Problem(422, 'TENANT_REQUIRED', 'Name the tenant this is about: `tenant`, its slug')
  }
  const tenant = await findTenantBySlug(db, slug)
  const own = request.caller.tenantId === null || request.caller.tenantId === tenant?.id
  if (tenant === undefined || !own) throw notFound(`Tenant ${slug}`)
  return tenant
}
