import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { idOf } from '../platform/http/fields.ts'
import { Problem } from '../platform/http/problems.ts'
import type { ChannelDeps } from './call-channel.ts'
import { resumeConnection, setConnectionStatus } from './connection-status-store.ts'
import { type Connection, existingConnection } from './connection-store.ts'
import { ConnectionView, type DefaultCrons, showConnection } from './connection-view.ts'
import { disconnect } from './disconnect.ts'
import { explainFailure } from './explain-channel.ts'
import { disconnectedProblem, requireConnection } from './require-connection.ts'
import { hmacOverlapMs, rotateCredentials } from './rotate-credentials.ts'
import { verifyConnection } from './verify-connection.ts'

const tags = ['Connections']
const Params = Type.Object({ id: idOf('connection') })

const Verification = Type.Object(
  {
    ok: Type.Boolean({ description: 'Whether every check is.' }),
    status: ConnectionView.properties.status,
    checks: Type.Array(
      Type.Object({
        name: Type.Enum(['token', 'webhookRegistered', 'webhookEnabled', 'lastInbound', 'backlog', 'drift']),
        ok: Type.Boolean(),
        detail: Type.String(),
      }),
    ),
  },
  { title: 'ConnectionVerification' },
)

const maxOverlapSeconds = 7 * 86_400

const RotationRequest = Type.Object(
  {
    webhookSecret: Type.Optional(
      Type.String({ minLength: 16, maxLength: 500, description: 'An HMAC secret of one’s own.' }),
    ),
    overlapSeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: maxOverlapSeconds,
        description: 'For how long the replaced HMAC secret is still accepted; a day by default.',
      }),
    ),
  },
  { additionalProperties: false },
)

export type ConnectionLifeOptions = ChannelDeps & { crons: DefaultCrons }

/** Pausing, resuming, verifying, rotating and ending a connection. */
export const connectionLifeRoutes: FastifyPluginAsyncTypebox<ConnectionLifeOptions> = async (app, deps) => {
  const { db, crons } = deps
  const show = async (id: string, webhookSecret?: string) =>
    showConnection(db, crons, await existingConnection(db, id), webhookSecret)

  app.post(
    '/connections/:id/pause',
    {
      config: {
        roles: ['owner'],
        refusals: { 409: ['CONNECTION_DISCONNECTED', 'CONNECTION_NEEDS_KEY', 'CONNECTION_NOT_CONNECTED'] },
      },
      schema: {
        tags,
        operationId: 'pauseConnection',
        summary: 'Pause a connection',
        description:
          'Webhooks are stored and wait, nothing is pushed or polled. Pausing a paused connection changes nothing.',
        params: Params,
        response: { 200: ConnectionView },
      },
    },
    async (request) => {
      const { id, status } = await requireConnection(db, request, request.params.id)
      const done = (await setConnectionStatus(deps, id, 'paused')) || status === 'paused'
      if (!done) throw notConnected(status)
      return show(id)
    },
  )

  app.post(
    '/connections/:id/resume',
    {
      config: {
        roles: ['owner'],
        refusals: { 409: ['CONNECTION_DISCONNECTED', 'CONNECTION_NEEDS_KEY', 'CONNECTION_NOT_CONNECTED'] },
      },
      schema: {
        tags,
        operationId: 'resumeConnection',
        summary: 'Resume a paused connection',
        description: 'What waited is worked on at once. Resuming an active connection changes nothing.',
        params: Params,
        response: { 200: ConnectionView },
      },
    },
    async (request) => {
      const { id, status } = await requireConnection(db, request, request.params.id)
      const done = (await resumeConnection(deps, id)) || status === 'active'
      if (!done) throw notConnected(status)
      await deps.reactions.resumed(id)
      return show(id)
    },
  )

  app.post(
    '/connections/:id/verify',
    {
      config: { roles: ['manager'], perMinute: 60, refusals: { 409: ['CONNECTION_DISCONNECTED'] } },
      schema: {
        tags,
        operationId: 'verifyConnection',
        summary: 'Check a connection',
        description:
          'Asks the channel whether the token works and how the webhook is registered, and looks at what waits here. It repairs nothing, except that a connection in `needs_reauth` whose key works after all is active again.',
        params: Params,
        response: { 200: Verification },
      },
    },
    async (request) => {
      const connection = await requireConnection(db, request, request.params.id)
      if (connection.status === 'disconnected') throw notConnected(connection.status)
      return verifyConnection(deps, connection)
    },
  )

  app.post(
    '/connections/:id/rotate-webhook-credentials',
    {
      config: {
        roles: ['owner'],
        bodyIsOptional: true,
        refusals: {
          409: ['CONNECTION_DISCONNECTED', 'CONNECTION_NEEDS_KEY', 'CONNECTION_NOT_CONNECTED'],
          422: ['CHANNEL_CREDENTIALS_REJECTED'],
        },
      },
      schema: {
        tags,
        operationId: 'rotateWebhookCredentials',
        summary: 'Replace what webhooks are authenticated with',
        description:
          'The channel gets a new login and password; old and new are both accepted until it has them. Where the connection has an HMAC secret, it is replaced as well: the new one is shown in this answer only, unless it was given, and the old one is accepted for `overlapSeconds` more. A call that was interrupted is safe to repeat.',
        params: Params,
        body: RotationRequest,
        response: { 200: ConnectionView },
      },
    },
    async (request) => {
      const { id, status, channel } = await requireConnection(db, request, request.params.id)
      if (status === 'connecting' || status === 'disconnected') throw notConnected(status)
      const { webhookSecret, overlapSeconds } = request.body
      const secret = await rotateCredentials(deps, id, {
        webhookSecret,
        overlapMs: overlapSeconds === undefined ? hmacOverlapMs : overlapSeconds * 1_000,
      }).catch(explainFailure(deps.channels.of(channel)))
      return show(id, secret)
    },
  )

  app.delete(
    '/connections/:id',
    {
      config: { roles: ['owner'] },
      schema: {
        tags,
        operationId: 'disconnect',
        summary: 'Disconnect',
        description:
          'From now on webhooks are refused and nothing is pushed. Then the webhook is removed at the channel, the access token revoked and every secret erased: 200. Where the channel cannot be reached, `disconnecting` is true, and the rest follows by itself: 202. Bookings are kept. Safe to repeat.',
        params: Params,
        response: { 200: ConnectionView, 202: ConnectionView },
      },
    },
    async (request, reply) => {
      const connection = await requireConnection(db, request, request.params.id)
      await disconnect(deps, connection)
      const view = await show(connection.id)
      return reply.code(view.disconnecting ? 202 : 200).send(view)
    },
  )
}

function notConnected(status: Connection['status']): Problem {
  if (status === 'disconnected') return disconnectedProblem()
  if (status === 'needs_reauth') {
    return new Problem(
      409,
      'CONNECTION_NEEDS_KEY',
      'The channel refuses the API key; connect again with a new one',
    )
  }
  return new Problem(
    409,
    'CONNECTION_NOT_CONNECTED',
    'Connecting has not come to its end; post the connection again',
  )
}
