import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { OverrideFields } from '../../mapping/override-fields.ts'
import { hasRole, tenantScope } from '../../platform/http/api-auth.ts'
import { idOf } from '../../platform/http/fields.ts'
import { cursorId, isUuid, pageOf, pageQuery, toPage } from '../../platform/http/paging.ts'
import { notFound } from '../../platform/http/problems.ts'
import { findQueuedReservationById, listQueuedReservations } from '../approval-store.ts'
import { type DecisionDeps, importQueued, type QueuedScope, rejectQueued } from './decide-reservation.ts'
import { QueuedView, QueueStatus, toQueuedView } from './queued-view.ts'

const tags = ['Bookings']
const Params = Type.Object({ id: idOf('waiting reservation') })

const ImportOrder = Type.Object(
  {
    unitId: Type.Optional(
      Type.Unsafe<string | null>({
        type: ['string', 'null'],
        minLength: 1,
        maxLength: 200,
        description:
          'The unit the guest stays in, any of TVL’s. At the channel the reservation stays on its listing. `null` takes it back.',
      }),
    ),
    fields: Type.Optional(OverrideFields),
  },
  { additionalProperties: false },
)

/** Reservations that wait for approval, and the decisions about them. */
export const approvalRoutes: FastifyPluginAsyncTypebox<DecisionDeps> = async (app, deps) => {
  const { db } = deps
  app.get(
    '/booking-queue',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        operationId: 'listQueuedReservations',
        summary: 'List the reservations that wait for approval',
        description: '`pending`: incomplete; `mapped`: complete, waits for approval.',
        querystring: Type.Object({
          ...pageQuery,
          status: Type.Optional(QueueStatus),
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
        operationId: 'getQueuedReservation',
        summary: 'Show a waiting reservation; with the body as received for managers',
        params: Params,
        response: {
          200: Type.Object(
            {
              ...QueuedView.properties,
              source: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
            },
            { title: 'QueuedReservationWithSource' },
          ),
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

  app.post(
    '/booking-queue/:id/import',
    {
      // No body means approval without overrides.
      config: {
        roles: ['manager'],
        bodyIsOptional: true,
        refusals: { 409: ['RESERVATION_WITHDRAWN'], 422: ['RESERVATION_INCOMPLETE'] },
      },
      schema: {
        tags,
        operationId: 'importQueuedReservation',
        summary: 'Book a waiting reservation, with the values that the channel lacks',
        description:
          'Books the newest version; what is sent is kept for the versions after it. 422 `RESERVATION_INCOMPLETE` lists everything that is still missing, and nothing is written. Repeated, the answer is the same; a booking that was imported can be corrected this way. A rejected reservation can be imported after all; a withdrawn one is 409 `RESERVATION_WITHDRAWN`.',
        params: Params,
        body: ImportOrder,
        response: { 200: QueuedView },
      },
    },
    async (request) => {
      const { unitId, fields } = request.body
      const order = { unitId, fields: fields ?? {}, by: request.caller.tokenName }
      return toQueuedView(await importQueued(deps, scopeOf(request.params.id, tenantScope(request)), order))
    },
  )

  app.post(
    '/booking-queue/:id/reject',
    {
      config: { roles: ['manager'], refusals: { 409: ['ALREADY_IMPORTED', 'RESERVATION_WITHDRAWN'] } },
      schema: {
        tags,
        operationId: 'rejectQueuedReservation',
        summary: 'Reject a waiting reservation',
        description:
          'It becomes no booking, whatever changes at the channel later. The channel still holds it, so its nights stay blocked until it is cancelled there. 409 `ALREADY_IMPORTED` where there is a booking, `RESERVATION_WITHDRAWN` where it was cancelled.',
        params: Params,
        body: Type.Object(
          { reason: Type.String({ minLength: 1, maxLength: 1_000 }) },
          { additionalProperties: false },
        ),
        response: { 200: QueuedView },
      },
    },
    async (request) => {
      const order = { reason: request.body.reason, by: request.caller.tokenName }
      return toQueuedView(await rejectQueued(deps, scopeOf(request.params.id, tenantScope(request)), order))
    },
  )
}

function scopeOf(id: string, tenantId: string | undefined): QueuedScope {
  if (!isUuid(id)) throw notFound('The reservation')
  return { id, tenantId }
}
