import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import { Type } from 'typebox'
import type { BookingQueueRow, Database } from '../db/tables.ts'
import { hasRole, tenantScope } from '../http/api-auth.ts'
import { cursorId, isUuid, pageOf, pageQuery, toPage } from '../http/paging.ts'
import { notFound } from '../http/problems.ts'
import { findQueuedReservationById, listQueuedReservations } from './approval-store.ts'

const tags = ['Bookings']
const nullableText = Type.Union([Type.String(), Type.Null()])
const Status = Type.Enum(['pending', 'mapped', 'imported', 'rejected', 'withdrawn', 'failed'])

const QueuedView = Type.Object({
  id: Type.String(),
  connectionId: Type.String(),
  externalId: Type.String(),
  listingId: nullableText,
  status: Status,
  sourceStatus: nullableText,
  problems: Type.Array(Type.Object({ field: Type.String(), code: Type.String(), message: Type.String() }), {
    description: 'What is missing or wrong; empty where only a yes is missing.',
  }),
  draft: Type.Record(Type.String(), Type.Unknown(), { description: 'The booking as far as it is known.' }),
  webhookId: nullableText,
  createdAt: Type.String(),
  updatedAt: Type.String(),
})

/** Reservations that wait for a person. */
export const approvalRoutes: FastifyPluginAsyncTypebox<{ db: Kysely<Database> }> = async (app, { db }) => {
  app.get(
    '/booking-queue',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        summary: 'List the reservations that wait for a person',
        description: '`pending`: something is missing; `mapped`: complete, waits for a yes.',
        querystring: Type.Object({
          ...pageQuery,
          status: Type.Optional(Status),
          connection: Type.Optional(Type.String()),
        }),
        response: { 200: pageOf(QueuedView) },
      },
    },
    async (request) => {
      const { status, connection, limit, cursor } = request.query
      if (connection !== undefined && !isUuid(connection)) return { data: [], nextCursor: null }
      const rows = await listQueuedReservations(db, {
        tenantId: tenantScope(request),
        status,
        connectionId: connection,
        after: cursorId(cursor),
        limit,
      })
      return toPage(rows, limit, ({ id }) => id, toQueuedView)
    },
  )

  app.get(
    '/booking-queue/:id',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        summary: 'Show a waiting reservation; with the body as received for managers',
        params: Type.Object({ id: Type.String() }),
        response: {
          200: Type.Object({
            ...QueuedView.properties,
            source: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
          }),
        },
      },
    },
    async (request) => {
      const { id } = request.params
      const row = isUuid(id) ? await findQueuedReservationById(db, id, tenantScope(request)) : undefined
      if (row === undefined) throw notFound('The reservation')
      const source = row.source as Record<string, unknown>
      return { ...toQueuedView(row), ...(hasRole(request, 'manager') ? { source } : {}) }
    },
  )
}

function toQueuedView(row: BookingQueueRow) {
  return {
    id: row.id,
    connectionId: row.connection_id,
    externalId: row.external_id,
    listingId: row.listing_id,
    status: row.status,
    sourceStatus: row.source_status,
    problems: row.problems,
    draft: row.draft as Record<string, unknown>,
    webhookId: row.webhook_id,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }
}
