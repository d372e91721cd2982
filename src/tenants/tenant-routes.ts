import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import type { Kysely } from 'kysely'
import { Type } from 'typebox'
import type { Database } from '../platform/db/tables.ts'
import { tenantScope } from '../platform/http/api-auth.ts'
import { idOf } from '../platform/http/fields.ts'
import { cursorId, isUuid, pageOf, pageQuery, toPage } from '../platform/http/paging.ts'
import { notFound, Problem } from '../platform/http/problems.ts'
import { createApiToken, listApiTokens, revokeApiToken } from './api-token-store.ts'
import { requireTenant } from './require-tenant.ts'
import { insertTenant, listTenants } from './tenant-store.ts'

const Slug = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$', description: 'Short name in lower case.' })
const Name = Type.String({ minLength: 1, maxLength: 200 })
const defaultTokenDays = 365
const nullableText = Type.Union([Type.String(), Type.Null()])
const tags = ['Tenants and tokens']

/** Tenants, and the tokens with which their services call this API. */
export const tenantRoutes: FastifyPluginAsyncTypebox<{ db: Kysely<Database> }> = async (app, { db }) => {
  app.post(
    '/tenants',
    {
      config: { roles: ['admin'], refusals: { 409: ['TENANT_EXISTS'] } },
      schema: {
        tags,
        operationId: 'createTenant',
        summary: 'Create a tenant',
        body: Type.Object({ slug: Slug, name: Name }, { additionalProperties: false }),
        response: { 201: Type.Object({ id: Type.String(), slug: Type.String(), name: Type.String() }) },
      },
    },
    async (request, reply) => {
      const tenant = await insertTenant(db, request.body)
      if (tenant === undefined)
        throw new Problem(409, 'TENANT_EXISTS', `Tenant ${request.body.slug} exists already`)
      return reply.code(201).header('location', `/v1/tenants/${tenant.slug}`).send(tenant)
    },
  )

  app.get(
    '/tenants',
    {
      config: { roles: ['admin'] },
      schema: {
        tags,
        operationId: 'listTenants',
        summary: 'List tenants',
        querystring: Type.Object(pageQuery),
        response: {
          200: pageOf(
            Type.Object(
              {
                id: Type.String(),
                slug: Type.String(),
                name: Type.String(),
                createdAt: Type.String(),
              },
              { title: 'Tenant' },
            ),
          ),
        },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query
      const rows = await listTenants(db, { limit, after: cursorId(cursor) })
      return toPage(rows, limit, ({ id }) => id, withIsoTime)
    },
  )

  app.get(
    '/tokens',
    {
      config: { roles: ['owner'] },
      schema: {
        tags,
        operationId: 'listTokens',
        summary: 'List the API tokens in force, without what they consist of',
        querystring: Type.Object(pageQuery),
        response: {
          200: pageOf(
            Type.Object(
              {
                id: Type.String(),
                tenant: Type.Union([Type.String(), Type.Null()]),
                role: Type.String(),
                name: Type.String(),
                createdAt: Type.String(),
                expiresAt: nullableText,
                lastUsedAt: nullableText,
                createdBy: nullableText,
              },
              { title: 'Token' },
            ),
          ),
        },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query
      const rows = await listApiTokens(db, {
        tenantId: tenantScope(request),
        limit,
        after: cursorId(cursor),
      })
      return toPage(
        rows,
        limit,
        ({ id }) => id,
        (row) => ({
          ...withIsoTime(row),
          expiresAt: row.expiresAt?.toISOString() ?? null,
          lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
        }),
      )
    },
  )

  app.post(
    '/tokens',
    {
      config: { roles: ['owner'] },
      schema: {
        tags,
        operationId: 'createToken',
        summary: 'Create an API token; it is shown once',
        description:
          'An owner makes tokens of its own tenant; only an admin makes tokens of any, and other admins. An admin belongs to no tenant: `tenant` together with the role admin is refused.',
        body: Type.Object(
          {
            tenant: Type.Optional(Slug),
            role: Type.Enum(['admin', 'owner', 'manager', 'viewer', 'service']),
            name: Name,
            expiresInDays: Type.Optional(
              Type.Integer({ minimum: 1, maximum: 3_650, description: `By default ${defaultTokenDays}.` }),
            ),
          },
          {
            additionalProperties: false,
            examples: [{ role: 'service', name: 'pricing', expiresInDays: 90 }],
          },
        ),
        response: {
          201: Type.Object({ id: Type.String(), token: Type.String(), expiresAt: Type.String() }),
        },
      },
    },
    async (request, reply) => {
      const { role, name, tenant: slug, expiresInDays = defaultTokenDays } = request.body
      const made = { role, name, expiresInDays, createdBy: request.caller.tokenId }
      const { caller } = request
      if (role === 'admin') {
        if (caller.role !== 'admin') throw new Problem(403, 'FORBIDDEN', 'Only an admin makes admin tokens')
        if (slug !== undefined) {
          const message = 'must be left out: an admin token belongs to no tenant'
          throw new Problem(422, 'VALIDATION_FAILED', 'The body is not valid', [{ field: 'tenant', message }])
        }
        return created(reply, await createApiToken(db, { ...made, tenantId: null }))
      }
      const tenant = await requireTenant(db, request, slug)
      return created(reply, await createApiToken(db, { ...made, tenantId: tenant.id }))
    },
  )

  app.delete(
    '/tokens/:id',
    {
      config: { roles: ['owner'] },
      schema: {
        tags,
        operationId: 'revokeToken',
        summary: 'Revoke an API token',
        params: Type.Object({ id: idOf('token') }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const scope = { id, tenantId: tenantScope(request) ?? null }
      if (!isUuid(id) || !(await revokeApiToken(db, scope))) throw notFound('The token')
      return reply.code(204).send(null)
    },
  )
}

function created(reply: FastifyReply, made: { id: string; token: string; expiresAt: Date | null }) {
  const body = { ...made, expiresAt: made.expiresAt?.toISOString() ?? '' }
  return reply.code(201).header('location', `/v1/tokens/${made.id}`).send(body)
}

function withIsoTime<Row extends { createdAt: Date }>(
  row: Row,
): Omit<Row, 'createdAt'> & { createdAt: string } {
  return { ...row, createdAt: row.createdAt.toISOString() }
}
