import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { tenantScope } from '../platform/http/api-auth.ts'
import { Email, idOf, NumberedId } from '../platform/http/fields.ts'
import { cursorId, pageOf, pageQuery, toPage } from '../platform/http/paging.ts'
import { requireTenant } from '../tenants/require-tenant.ts'
import { changeConnection } from './change-connection.ts'
import { type ConnectDeps, connect } from './connect.ts'
import { listConnections } from './connection-store.ts'
import {
  ConnectionView,
  connectionsShown,
  type DefaultCrons,
  perSyncPart,
  showConnection,
} from './connection-view.ts'
import { requireConnection } from './require-connection.ts'

const tags = ['Connections']
const modes = ['basic', 'hmac', 'basic+hmac'] as const

const options = {
  autoImport: Type.Optional(
    Type.Boolean({
      description: 'Whether complete reservations become bookings without approval; false by default.',
    }),
  ),
  autoMapListings: Type.Optional(
    Type.Boolean({
      description: 'Whether new listings get a unit by themselves; true by default.',
    }),
  ),
  webhookAuth: Type.Optional(
    Type.Enum([...modes], {
      description: 'How webhooks prove where they come from; `basic` by default.',
    }),
  ),
  webhookSecret: Type.Optional(
    Type.String({
      minLength: 16,
      maxLength: 500,
      description:
        'HMAC secret; made here if the mode needs one. The one it replaces is accepted for a day more.',
    }),
  ),
}

const newConnection = (channels: string[]) =>
  Type.Object(
    {
      tenant: Type.Optional(
        Type.String({ description: 'Slug of the tenant; needed where the caller is an admin.' }),
      ),
      channel: Type.Unsafe<string>({ type: 'string', enum: channels }),
      accountId: NumberedId,
      apiKey: Type.String({ minLength: 1, maxLength: 500 }),
      ...options,
      alertingEmailAddress: Type.Optional(Email),
    },
    {
      additionalProperties: false,
      title: 'NewConnection',
      examples: [{ tenant: 'demo', channel: channels[0], accountId: 10001, apiKey: 'from the dashboard' }],
    },
  )

const SyncChange = Type.Object(
  {
    enabled: Type.Optional(Type.Boolean()),
    cron: Type.Optional(
      Type.Union([
        Type.Null({ description: 'As the installation has it.' }),
        Type.String({ maxLength: 100, format: 'cron', description: 'Five or six fields, in UTC.' }),
      ]),
    ),
  },
  { additionalProperties: false },
)

const ConnectionChange = Type.Object(
  {
    ...options,
    alertingEmailAddress: Type.Optional(Type.Union([Type.Null(), Email])),
    sync: Type.Optional(
      Type.Object(
        perSyncPart(() => Type.Optional(SyncChange)),
        { additionalProperties: false },
      ),
    ),
    rateLimit: Type.Optional(
      Type.Union(
        [
          Type.Null(),
          Type.Object(
            {
              rpm: Type.Integer({ minimum: 1, maximum: 10_000 }),
              burst: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
            },
            { additionalProperties: false },
          ),
        ],
        {
          description:
            'Calls per minute, and how many of them at once, beside what the channel allows; null: as the installation has it.',
        },
      ),
    ),
  },
  { additionalProperties: false, minProperties: 1, title: 'ConnectionChange' },
)

const ConnectionParams = Type.Object({ id: idOf('connection') })

export type ConnectionRouteOptions = ConnectDeps & { crons: DefaultCrons }

/** Connecting a tenant to its account, and what is set about it. */
export const connectionRoutes: FastifyPluginAsyncTypebox<ConnectionRouteOptions> = async (app, deps) => {
  app.post(
    '/connections',
    {
      config: {
        roles: ['owner'],
        perMinute: 30,
        refusals: {
          409: ['ACCOUNT_ALREADY_CONNECTED', 'TENANT_ALREADY_CONNECTED', 'CONNECTION_NEEDS_KEY'],
          422: ['CHANNEL_CREDENTIALS_REJECTED'],
        },
      },
      schema: {
        tags,
        operationId: 'connect',
        summary: 'Connect a tenant to its account',
        description:
          'Tries the key, registers the webhook, reads the listings and starts the first import. Safe to repeat: the same tenant again replaces the key (200), changes the named options, and keeps the webhook or repairs it if it was removed or changed at the channel. A disconnected connection starts again, with the same or another account.',
        body: newConnection(deps.channels.all.map(({ name }) => name)),
        response: { 200: ConnectionView, 201: ConnectionView },
      },
    },
    async (request, reply) => {
      const { body } = request
      const tenant = await requireTenant(deps.db, request, body.tenant)
      const { connection, created, webhookSecret } = await connect(deps, tenant, {
        ...body,
        // Of `10001` and `"010001"` the channel sends one back, and webhooks that name another account are refused.
        accountId: String(BigInt(body.accountId)),
      })
      const shown = await showConnection(deps.db, deps.crons, connection, webhookSecret)
      if (created) reply.header('location', `/v1/connections/${shown.id}`)
      return reply.code(created ? 201 : 200).send(shown)
    },
  )

  app.get(
    '/connections',
    {
      config: { roles: ['viewer', 'service'] },
      schema: {
        tags,
        operationId: 'listConnections',
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
      const show = await connectionsShown(deps.db, deps.crons, rows)
      return toPage(
        rows,
        limit,
        ({ id }) => id,
        (connection) => show(connection),
      )
    },
  )

  app.get(
    '/connections/:id',
    {
      config: { roles: ['viewer', 'service'] },
      schema: {
        tags,
        operationId: 'getConnection',
        summary: 'Show a connection',
        params: ConnectionParams,
        response: { 200: ConnectionView },
      },
    },
    async (request) => {
      const connection = await requireConnection(deps.db, request, request.params.id)
      return showConnection(deps.db, deps.crons, connection)
    },
  )

  app.patch(
    '/connections/:id',
    {
      config: {
        roles: ['owner'],
        refusals: {
          409: ['CONNECTION_DISCONNECTED', 'CONNECTION_NEEDS_KEY', 'CONNECTION_NOT_CONNECTED'],
          422: ['CHANNEL_CREDENTIALS_REJECTED'],
        },
      },
      schema: {
        tags,
        operationId: 'changeConnection',
        summary: 'Change what is set about a connection',
        description:
          'What is not named stays as it is. A part of `sync` that is not enabled is neither pushed nor polled; what is desired meanwhile is pushed once it is enabled again.',
        params: ConnectionParams,
        body: ConnectionChange,
        response: { 200: ConnectionView },
      },
    },
    async (request) => {
      const connection = await requireConnection(deps.db, request, request.params.id)
      const { changed, webhookSecret } = await changeConnection(deps, connection, request.body)
      return showConnection(deps.db, deps.crons, changed, webhookSecret)
    },
  )
}
