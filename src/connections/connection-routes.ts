import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from 'typebox'
import { tenantScope } from '../http/api-auth.ts'
import { cursorId, isUuid, pageOf, pageQuery, toPage } from '../http/paging.ts'
import { notFound } from '../http/problems.ts'
import { requireTenant } from '../tenants/require-tenant.ts'
import { type ConnectDeps, connect } from './connect.ts'
import { type Connection, findConnection, listConnections } from './connection-store.ts'

const tags = ['Connections']
const nullableTime = Type.Union([Type.String(), Type.Null()])

const ConnectionView = Type.Object({
  id: Type.String(),
  tenant: Type.String(),
  channel: Type.String(),
  accountId: Type.String(),
  status: Type.Enum(['connecting', 'active', 'paused', 'needs_reauth', 'disconnected']),
  statusReason: Type.Union([Type.String(), Type.Null()]),
  autoImport: Type.Boolean(),
  autoMapListings: Type.Boolean(),
  webhookAuth: Type.Enum(['basic', 'hmac', 'basic+hmac']),
  alertingEmailAddress: Type.Union([Type.String(), Type.Null()]),
  webhook: Type.Object({
    id: Type.Union([Type.String({ description: 'Hostaway’s id of the registered webhook.' }), Type.Null()]),
    url: Type.String(),
    secret: Type.Optional(
      Type.String({ description: 'The HMAC secret, if it was made here. Shown in this answer only.' }),
    ),
  }),
  lastInboundAt: nullableTime,
  lastSyncAt: nullableTime,
  keySetAt: Type.String(),
  createdAt: Type.String(),
})

const NewConnection = Type.Object(
  {
    tenant: Type.Optional(
      Type.String({ description: 'Slug of the tenant; needed where the caller is an admin.' }),
    ),
    channel: Type.Literal('hostaway'),
    accountId: Type.Union([Type.Integer({ minimum: 1 }), Type.String({ pattern: '^\\d{1,18}$' })], {
      description: 'Hostaway: Settings → Hostaway API.',
    }),
    apiKey: Type.String({ minLength: 1, maxLength: 500 }),
    autoImport: Type.Boolean({ default: false }),
    autoMapListings: Type.Boolean({ default: true }),
    webhookAuth: Type.Enum(['basic', 'hmac', 'basic+hmac'], { default: 'basic' }),
    webhookSecret: Type.Optional(
      Type.String({
        minLength: 16,
        maxLength: 500,
        description: 'HMAC secret; made here if the mode needs one.',
      }),
    ),
    alertingEmailAddress: Type.Optional(Type.String({ maxLength: 254, pattern: '^[^@\\s]+@[^@\\s]+$' })),
  },
  { additionalProperties: false },
)

const ConnectionParams = Type.Object({ id: Type.String() })

/** Connecting a tenant to its Hostaway account. */
export const connectionRoutes: FastifyPluginAsyncTypebox<ConnectDeps> = async (app, deps) => {
  app.post(
    '/connections',
    {
      config: { roles: ['owner'] },
      schema: {
        tags,
        summary: 'Connect a tenant to its Hostaway account',
        description:
          'Proves the key, registers the webhook and reads the listings. Safe to repeat: the same tenant again replaces the key (200) and keeps the webhook.',
        body: NewConnection,
        response: { 200: ConnectionView, 201: ConnectionView },
      },
    },
    async (request, reply) => {
      const { body } = request
      const tenant = await requireTenant(deps.db, request, body.tenant)
      const { connection, created, webhookSecret } = await connect(deps, tenant, {
        ...body,
        accountId: String(body.accountId),
        webhookSecret: body.webhookSecret,
        alertingEmailAddress: body.alertingEmailAddress ?? null,
      })
      return reply.code(created ? 201 : 200).send(toConnectionView(connection, webhookSecret))
    },
  )

  app.get(
    '/connections',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        summary: 'List connections',
        querystring: Type.Object(pageQuery),
        response: { 200: pageOf(ConnectionView) },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query
      const rows = await listConnections(deps.db, {
        tenantId: tenantScope(request),
        limit,
        after: cursorId(cursor),
      })
      return toPage(
        rows,
        limit,
        ({ id }) => id,
        (connection) => toConnectionView(connection),
      )
    },
  )

  app.get(
    '/connections/:id',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        summary: 'Show a connection',
        params: ConnectionParams,
        response: { 200: ConnectionView },
      },
    },
    async (request) => {
      const { id } = request.params
      const connection = isUuid(id)
        ? await findConnection(deps.db, id, { tenantId: tenantScope(request) })
        : undefined
      if (connection === undefined) throw notFound('The connection')
      return toConnectionView(connection)
    },
  )
}

function toConnectionView(connection: Connection, webhookSecret?: string): Static<typeof ConnectionView> {
  return {
    id: connection.id,
    tenant: connection.tenantSlug,
    channel: connection.channel,
    accountId: connection.accountId,
    status: connection.status,
    statusReason: connection.statusReason,
    autoImport: connection.autoImport,
    autoMapListings: connection.autoMapListings,
    webhookAuth: connection.webhookAuth,
    alertingEmailAddress: connection.alertingEmailAddress,
    webhook: {
      id: connection.webhookExternalId,
      url: connection.webhookUrl,
      ...(webhookSecret === undefined ? {} : { secret: webhookSecret }),
    },
    lastInboundAt: connection.lastInboundAt?.toISOString() ?? null,
    lastSyncAt: connection.lastSyncAt?.toISOString() ?? null,
    keySetAt: connection.keySetAt.toISOString(),
    createdAt: connection.createdAt.toISOString(),
  }
}
