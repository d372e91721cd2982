import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import type { Kysely } from 'kysely'
import { Type } from 'typebox'
import { requireConnection } from '../connections/require-connection.ts'
import type { ImportRow } from '../platform/db/history-tables.ts'
import type { Database } from '../platform/db/tables.ts'
import { idOf } from '../platform/http/fields.ts'
import { cursorId, isUuid, pageOf, pageQuery, toPage } from '../platform/http/paging.ts'
import { notFound, Problem } from '../platform/http/problems.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import { endImport, findImport, listImports } from './import-store.ts'
import { ImportStatusView, ImportView, toImportView } from './import-view.ts'
import { requestImport } from './request-import.ts'

const tags = ['History']
const Params = Type.Object({ id: idOf('connection') })
const ImportParams = Type.Object({ id: idOf('connection'), importId: idOf('import') })
const day = (description: string) => Type.Optional(Type.String({ format: 'date', description }))

export type ImportRouteOptions = { db: Kysely<Database>; metrics: Pick<Metrics, 'imports'> }

/** Reading what the channel held before the connection was made. */
export const importRoutes: FastifyPluginAsyncTypebox<ImportRouteOptions> = async (app, { db, metrics }) => {
  app.post(
    '/connections/:id/import',
    {
      // No body means no restriction.
      config: {
        roles: ['manager'],
        bodyIsOptional: true,
        refusals: { 409: ['CONNECTION_NOT_ACTIVE', 'IMPORT_RUNNING'] },
      },
      schema: {
        tags,
        operationId: 'startImport',
        summary: 'Import the history of a connection',
        description:
          'Listings, then reservations, the newest change first, then again what changed meanwhile. Safe to repeat: what is here already in the same version is left alone. While an import is running that reads all that is asked for, it is the answer; one that reads other stays is 409 `IMPORT_RUNNING`. While the connection is paused or needs a new key the import waits.',
        params: Params,
        body: Type.Object(
          {
            from: day('Only stays that end on this day or later.'),
            to: day('Only stays that begin on this day or earlier.'),
          },
          { additionalProperties: false },
        ),
        response: { 202: Type.Object({ id: Type.String(), status: ImportStatusView }) },
      },
    },
    async (request, reply) => {
      const connection = await requireConnection(db, request, request.params.id)
      const { from = null, to = null } = request.body
      if (from !== null && to !== null && to < from) {
        const errors = [{ field: 'to', message: 'is before `from`' }]
        throw new Problem(422, 'VALIDATION_FAILED', 'The body is not valid', errors)
      }
      const { id, status } = await requestImport(db, connection, { from, to })
      return reply.code(202).send({ id, status })
    },
  )

  app.get(
    '/connections/:id/imports',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        operationId: 'listImports',
        summary: 'List the imports of a connection, newest first',
        params: Params,
        querystring: Type.Object(pageQuery),
        response: { 200: pageOf(ImportView) },
      },
    },
    async (request) => {
      const connection = await requireConnection(db, request, request.params.id)
      const { limit, cursor } = request.query
      const rows = await listImports(db, { connectionId: connection.id, limit, before: cursorId(cursor) })
      return toPage(
        rows,
        limit,
        ({ id }) => id,
        (row) => toImportView(row, new Date()),
      )
    },
  )

  app.get(
    '/connections/:id/imports/:importId',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        operationId: 'getImport',
        summary: 'Show an import with its progress',
        params: ImportParams,
        response: { 200: ImportView },
      },
    },
    async (request) => toImportView(await requireImport(request, request.params), new Date()),
  )

  app.post(
    '/connections/:id/imports/:importId/cancel',
    {
      config: { roles: ['manager'], refusals: { 409: ['IMPORT_NOT_RUNNING'] } },
      schema: {
        tags,
        operationId: 'cancelImport',
        summary: 'Cancel an import',
        description: 'Takes effect with the page under way. What was imported stays.',
        params: ImportParams,
        response: { 200: ImportView },
      },
    },
    async (request) => {
      const found = await requireImport(request, request.params)
      const cancelled = await endImport(db, found.id, 'cancelled')
      if (cancelled !== undefined) {
        metrics.imports.inc({ status: 'cancelled' })
        return toImportView(cancelled, new Date())
      }
      const ended = await requireImport(request, request.params)
      if (ended.status === 'cancelled') return toImportView(ended, new Date())
      throw new Problem(409, 'IMPORT_NOT_RUNNING', `The import has ${ended.status} already`)
    },
  )

  async function requireImport(
    request: FastifyRequest,
    { id, importId }: { id: string; importId: string },
  ): Promise<ImportRow> {
    const connection = await requireConnection(db, request, id)
    const found = isUuid(importId)
      ? await findImport(db, { id: importId, connectionId: connection.id })
      : undefined
    if (found === undefined) throw notFound('The import')
    return found
  }
}
