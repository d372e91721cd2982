import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Kysely, type Selectable, sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { AuditLogTable, Database } from '../platform/db/tables.ts'

declare module 'fastify' {
  interface FastifyRequest {
    auditId?: string
  }
}

export type AuditRow = Selectable<AuditLogTable> & { tenant_slug: string | null }

const maxNames = 50

/**
 * Records every request of this instance that may change something: before its handler runs, so that nothing is done
 * without a trace, and again with how it ended. Names of fields are kept, never their values: those hold secrets and
 * guests. Register it behind the hook that says who calls.
 */
export function useAudit(app: FastifyInstance, db: Kysely<Database>): void {
  app.addHook('preHandler', async (request) => {
    if (request.method === 'GET' || request.method === 'HEAD') return
    const { caller } = request
    const id = uuid()
    await db
      .insertInto('audit_log')
      .values({
        id,
        tenant_id: caller.tenantId ?? (await tenantNamed(db, request)),
        actor_kind: 'token',
        actor_id: caller.tokenId,
        actor_name: caller.tokenName,
        role: caller.role,
        action: actionOf(request),
        subject: request.url.split('?', 1)[0] ?? request.url,
        detail: JSON.stringify(detailOf(request)),
        outcome: 'started',
        ip: request.ip,
        request_id: request.id,
      })
      .execute()
    request.auditId = id
  })
  app.addHook('onSend', async (request, reply) => {
    if (request.auditId === undefined) return
    const outcome = reply.statusCode < 400 ? 'done' : reply.statusCode < 500 ? 'refused' : 'failed'
    await db
      .updateTable('audit_log')
      .set({ outcome, status_code: reply.statusCode })
      .where('id', '=', request.auditId)
      .execute()
      // The answer stands; the row says "started".
      .catch((error: unknown) => request.log.warn({ err: error }, 'audit.not_ended'))
  })
}

function actionOf(request: FastifyRequest): string {
  const { schema, method, url } = request.routeOptions
  const named = schema as { operationId?: string } | undefined
  return named?.operationId ?? `${method} ${url}`
}

// An admin names the tenant in the query or the body, where it names one at all.
async function tenantNamed(db: Kysely<Database>, { query, body }: FastifyRequest): Promise<string | null> {
  const slug = tenantIn(query) ?? tenantIn(body)
  if (slug === undefined) return null
  const tenant = await db.selectFrom('tenants').select('id').where('slug', '=', slug).executeTakeFirst()
  return tenant?.id ?? null
}

function tenantIn(part: unknown): string | undefined {
  if (typeof part !== 'object' || part === null || !('tenant' in part)) return undefined
  return typeof part.tenant === 'string' && !part.tenant.includes('\0') ? part.tenant : undefined
}

function detailOf({ body }: FastifyRequest): { fields?: string[]; entries?: number } {
  if (Array.isArray(body)) return { entries: body.length }
  if (typeof body !== 'object' || body === null) return {}
  const fields = Object.keys(body).filter((name) => /^[\w.-]{1,64}$/.test(name))
  return { fields: fields.slice(0, maxNames) }
}

export type AuditFilter = {
  tenantId: string | undefined
  /** Id or name of a token. */
  actor?: string | undefined
  action?: string | undefined
  /** Part of the address that was called. */
  subject?: string | undefined
  from?: Date | undefined
  to?: Date | undefined
  after: string | undefined
  limit: number
}

/** Entries of a tenant, newest first, one more than `limit`. */
export async function listAudit(db: Kysely<Database>, filter: AuditFilter): Promise<AuditRow[]> {
  let query = db
    .selectFrom('audit_log')
    .leftJoin('tenants', 'tenants.id', 'audit_log.tenant_id')
    .selectAll('audit_log')
    .select('tenants.slug as tenant_slug')
    .orderBy('audit_log.id', 'desc')
    .limit(filter.limit + 1)
  if (filter.tenantId !== undefined) query = query.where('audit_log.tenant_id', '=', filter.tenantId)
  if (filter.actor !== undefined)
    query = query.where(sql<boolean>`${filter.actor} in (actor_id::text, actor_name)`)
  if (filter.action !== undefined) query = query.where('action', '=', filter.action)
  if (filter.subject !== undefined)
    query = query.where(sql<boolean>`position(${filter.subject} in subject) > 0`)
  if (filter.from !== undefined) query = query.where('at', '>=', filter.from)
  if (filter.to !== undefined) query = query.where('at', '<=', filter.to)
  if (filter.after !== undefined) query = query.where('audit_log.id', '<', filter.after)
  return query.execute()
}

/** Deletes entries older than so many days, a batch a call; safe to repeat. */
export async function pruneAudit(db: Kysely<Database>, days: number, limit: number): Promise<void> {
  await sql`
    delete from audit_log where id in (
      select id from audit_log where at < now() - ${days} * interval '1 day' order by at limit ${limit})
  `.execute(db)
}
