import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import { Type } from 'typebox'
import type { Database } from '../platform/db/tables.ts'
import { tenantScope } from '../platform/http/api-auth.ts'
import { Instant } from '../platform/http/fields.ts'
import { cursorId, pageOf, pageQuery, toPage } from '../platform/http/paging.ts'
import { type AuditRow, listAudit } from './audit-log.ts'

const nullableText = Type.Union([Type.String(), Type.Null()])
const text = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 200, description }))

const AuditEntry = Type.Object(
  {
    id: Type.String(),
    at: Type.String(),
    tenant: nullableText,
    actor: Type.Object({ kind: Type.String(), id: nullableText, name: Type.String(), role: Type.String() }),
    action: Type.String({ description: 'The operation id of what was asked for.' }),
    subject: Type.String({ description: 'The address that was called.' }),
    detail: Type.Object(
      { fields: Type.Optional(Type.Array(Type.String())), entries: Type.Optional(Type.Integer()) },
      { description: 'Which fields the body named, or how many entries it had; never their values.' },
    ),
    outcome: Type.Enum(['started', 'done', 'refused', 'failed'], {
      description: '`started`: the process ended before the answer, so it may have been done.',
    }),
    status: Type.Union([Type.Integer(), Type.Null()]),
    ip: Type.String(),
    requestId: Type.String(),
  },
  { title: 'AuditEntry' },
)

/** Who changed what. */
export const auditRoutes: FastifyPluginAsyncTypebox<{ db: Kysely<Database> }> = async (app, { db }) => {
  app.get(
    '/audit',
    {
      config: { roles: ['owner'] },
      schema: {
        tags: ['Tenants and tokens'],
        operationId: 'listAudit',
        summary: 'List who changed what, newest first',
        description: 'Every request of a token that may change something, refused ones included.',
        querystring: Type.Object({
          ...pageQuery,
          actor: text('Id or name of the token.'),
          action: text('The operation id.'),
          subject: text('A part of the address that was called, such as the id of a connection.'),
          from: Type.Optional(Instant),
          to: Type.Optional(Instant),
        }),
        response: { 200: pageOf(AuditEntry) },
      },
    },
    async (request) => {
      const { limit, cursor, from, to, ...filter } = request.query
      const rows = await listAudit(db, {
        ...filter,
        tenantId: tenantScope(request),
        from: from === undefined ? undefined : new Date(from),
        to: to === undefined ? undefined : new Date(to),
        after: cursorId(cursor),
        limit,
      })
      return toPage(rows, limit, ({ id }) => id, toEntry)
    },
  )
}

function toEntry(row: AuditRow) {
  return {
    id: row.id,
    at: row.at.toISOString(),
    tenant: row.tenant_slug,
    actor: { kind: row.actor_kind, id: row.actor_id, name: row.actor_name, role: row.role },
    action: row.action,
    subject: row.subject,
    detail: row.detail,
    outcome: row.outcome,
    status: row.status_code,
    ip: row.ip,
    requestId: row.request_id,
  }
}
