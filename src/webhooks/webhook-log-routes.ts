import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { WebhookLogRow } from '../platform/db/tables.ts'
import { hasRole, tenantScope } from '../platform/http/api-auth.ts'
import { idOf } from '../platform/http/fields.ts'
import { cursorId, isUuid, pageOf, pageQuery, toPage } from '../platform/http/paging.ts'
import { notFound } from '../platform/http/problems.ts'
import { type ReplayWebhookDeps, replayWebhook } from './replay-webhook.ts'
import { findWebhook, listWebhooks } from './webhook-log.ts'

const tags = ['When things fail']
const nullableText = Type.Union([Type.String(), Type.Null()])
const Status = Type.Enum(['received', 'processed', 'queued', 'ignored', 'failed'])

const WebhookView = Type.Object(
  {
    id: Type.String(),
    connectionId: Type.String(),
    eventType: Type.String(),
    sourceEvent: nullableText,
    externalId: nullableText,
    status: Status,
    outcome: nullableText,
    receivedAt: Type.String(),
    enqueuedAt: nullableText,
    processedAt: nullableText,
  },
  { title: 'WebhookLog' },
)

/** The webhooks that were accepted, and what became of each. */
export const webhookLogRoutes: FastifyPluginAsyncTypebox<ReplayWebhookDeps> = async (app, deps) => {
  const { db } = deps
  const Params = Type.Object({ id: idOf('webhook') })

  app.get(
    '/webhooks',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        operationId: 'listWebhooks',
        summary: 'List accepted webhooks, newest first',
        querystring: Type.Object({
          ...pageQuery,
          connection: Type.Optional(Type.String()),
          status: Type.Optional(Status),
          externalId: Type.Optional(Type.String()),
        }),
        response: { 200: pageOf(WebhookView) },
      },
    },
    async (request) => {
      const { connection, status, externalId, limit, cursor } = request.query
      if (connection !== undefined && !isUuid(connection)) return { data: [], nextCursor: null }
      const rows = await listWebhooks(db, {
        tenantId: tenantScope(request),
        connectionId: connection,
        status,
        externalId,
        limit,
        before: cursorId(cursor),
      })
      return toPage(rows, limit, ({ id }) => id, toWebhookView)
    },
  )

  app.get(
    '/webhooks/:id',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        operationId: 'getWebhook',
        summary: 'Show a webhook; with its body for managers',
        params: Params,
        response: {
          200: Type.Object(
            { ...WebhookView.properties, body: Type.Optional(Type.String()) },
            { title: 'WebhookLogWithBody' },
          ),
        },
      },
    },
    async (request) => {
      const webhook = await requireWebhook(request.params.id, tenantScope(request))
      return { ...toWebhookView(webhook), ...(hasRole(request, 'manager') ? { body: webhook.body } : {}) }
    },
  )

  app.post(
    '/webhooks/:id/replay',
    {
      config: { roles: ['manager'], refusals: { 409: ['IMPORT_RUNNING'] } },
      schema: {
        tags,
        operationId: 'replayWebhook',
        summary: 'Process a webhook once more',
        description: 'Harmless to repeat: an old version of a reservation does not replace a newer one.',
        params: Params,
        response: { 202: Type.Object({ count: Type.Integer() }) },
      },
    },
    async (request, reply) => {
      const webhook = await requireWebhook(request.params.id, tenantScope(request))
      await replayWebhook(deps, webhook.id)
      return reply.code(202).send({ count: 1 })
    },
  )

  async function requireWebhook(id: string, tenantId: string | undefined): Promise<WebhookLogRow> {
    const webhook = isUuid(id) ? await findWebhook(db, id, tenantId) : undefined
    if (webhook === undefined) throw notFound('The webhook')
    return webhook
  }
}

function toWebhookView(row: Omit<WebhookLogRow, 'body' | 'parked'>) {
  return {
    id: row.id,
    connectionId: row.connection_id,
    eventType: row.event_type,
    sourceEvent: row.source_event,
    externalId: row.external_id,
    status: row.status,
    outcome: row.outcome,
    receivedAt: row.received_at.toISOString(),
    enqueuedAt: row.enqueued_at?.toISOString() ?? null,
    processedAt: row.processed_at?.toISOString() ?? null,
  }
}
