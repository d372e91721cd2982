import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import { type Static, Type } from 'typebox'
import { requireConnection } from '../../connections/require-connection.ts'
import type { BookingRemapRow } from '../../platform/db/mapping-tables.ts'
import type { Database } from '../../platform/db/tables.ts'
import { idOf } from '../../platform/http/fields.ts'
import { cursorId, isUuid, pageOf, pageQuery, toPage } from '../../platform/http/paging.ts'
import { notFound } from '../../platform/http/problems.ts'
import { endRemap, findRemap, listRemaps, startRemap } from './remap-store.ts'

const tags = ['Mapping']
const Params = Type.Object({ id: idOf('connection') })
const RemapParams = Type.Object({ id: idOf('connection'), remapId: idOf('remap') })
const nullableText = Type.Union([Type.String(), Type.Null()])

const RemapView = Type.Object(
  {
    id: Type.String(),
    connectionId: Type.String(),
    mappingVersion: Type.Integer(),
    status: Type.Enum(['running', 'completed', 'cancelled']),
    done: Type.Integer({ description: 'Reservations that were mapped again.' }),
    total: Type.Integer({ description: 'Reservations that there were at the start.' }),
    changed: Type.Integer({ description: 'Those of them that mapping changed.' }),
    waiting: Type.Integer({ description: 'Those of them that wait for approval now.' }),
    failed: Type.Integer({ description: 'Those of them that could not be written.' }),
    lastError: nullableText,
    startedAt: Type.String(),
    updatedAt: Type.String(),
    finishedAt: nullableText,
  },
  { title: 'Remap' },
)

/** Mapping bookings again after a change of the mapping. */
export const remapRoutes: FastifyPluginAsyncTypebox<{ db: Kysely<Database> }> = async (app, { db }) => {
  app.post(
    '/connections/:id/mapping/remap',
    {
      // There is nothing to choose.
      config: { roles: ['manager'], bodyIsOptional: true },
      schema: {
        tags,
        operationId: 'startRemap',
        summary: 'Map the bookings of a connection again',
        description:
          'Maps every booking and every waiting reservation again, by the mapping in force, from the newest body that was received. Only bookings that mapping changes become events. Where a remap for the same version of the mapping is running, it is the answer; one for an earlier version is cancelled.',
        params: Params,
        body: Type.Object({}, { additionalProperties: false }),
        response: { 202: RemapView },
      },
    },
    async (request, reply) => {
      const connection = await requireConnection(db, request, request.params.id)
      return reply.code(202).send(toRemapView(await startRemap(db, connection)))
    },
  )

  app.get(
    '/connections/:id/mapping/remaps',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        operationId: 'listRemaps',
        summary: 'List the remaps of a connection, newest first',
        params: Params,
        querystring: Type.Object(pageQuery),
        response: { 200: pageOf(RemapView) },
      },
    },
    async (request) => {
      const { id } = await requireConnection(db, request, request.params.id)
      const { limit, cursor } = request.query
      const rows = await listRemaps(db, { connectionId: id, limit, before: cursorId(cursor) })
      return toPage(rows, limit, (row) => row.id, toRemapView)
    },
  )

  app.get(
    '/connections/:id/mapping/remaps/:remapId',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        operationId: 'getRemap',
        summary: 'Show how far a remap is',
        params: RemapParams,
        response: { 200: RemapView },
      },
    },
    async (request) => {
      const { id } = await requireConnection(db, request, request.params.id)
      return toRemapView(await requireRemap(id, request.params.remapId))
    },
  )

  app.post(
    '/connections/:id/mapping/remaps/:remapId/cancel',
    {
      config: { roles: ['manager'], bodyIsOptional: true },
      schema: {
        tags,
        operationId: 'cancelRemap',
        summary: 'Stop a remap',
        description: 'What it has mapped stays. One that has ended stays as it ended.',
        params: RemapParams,
        body: Type.Object({}, { additionalProperties: false }),
        response: { 200: RemapView },
      },
    },
    async (request) => {
      const { id } = await requireConnection(db, request, request.params.id)
      const remap = await requireRemap(id, request.params.remapId)
      return toRemapView((await endRemap(db, remap.id, 'cancelled')) ?? (await requireRemap(id, remap.id)))
    },
  )

  async function requireRemap(connectionId: string, id: string): Promise<BookingRemapRow> {
    const remap = isUuid(id) ? await findRemap(db, connectionId, id) : undefined
    if (remap === undefined) throw notFound('The remap')
    return remap
  }
}

function toRemapView(row: BookingRemapRow): Static<typeof RemapView> {
  return {
    id: row.id,
    connectionId: row.connection_id,
    mappingVersion: row.mapping_version,
    status: row.status,
    done: row.done,
    // Those that came meanwhile were mapped along.
    total: Math.max(row.total, row.done),
    changed: row.changed,
    waiting: row.waiting,
    failed: row.failed,
    lastError: row.last_error,
    startedAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    finishedAt: row.finished_at?.toISOString() ?? null,
  }
}
