import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Kysely } from 'kysely'
import { Type } from 'typebox'
import type { Channels } from '../../channels/contract/channel.ts'
import { requireConnection } from '../../connections/require-connection.ts'
import { defaultSpec } from '../../mapping/mapping-spec.ts'
import {
  findCurrentMapping,
  findMapping,
  listMappings,
  type StoredMapping,
  storeMapping,
} from '../../mapping/mapping-store.ts'
import type { Database } from '../../platform/db/tables.ts'
import { idOf } from '../../platform/http/fields.ts'
import { pageOf, pageQuery, toPage } from '../../platform/http/paging.ts'
import { notFound, Problem } from '../../platform/http/problems.ts'
import { type PreviewResult, previewMapping } from './preview-mapping.ts'
import { PreviewAnswer } from './preview-view.ts'
import { MappingBody, PreviewBody, refuseWrongBody } from './read-mapping-body.ts'

const tags = ['Mapping']
const Params = Type.Object({ id: idOf('connection') })

const MappingView = Type.Object(
  {
    connectionId: Type.String(),
    version: Type.Integer({ description: 'Counts the changes; 0 is the default mapping.' }),
    // As it was stored: only what is sent is checked.
    spec: Type.Record(Type.String(), Type.Unknown(), { description: 'See the body of PUT.' }),
    createdAt: Type.Union([Type.String(), Type.Null()]),
  },
  { title: 'Mapping' },
)

/** The field mapping of a connection, its versions, and what a change of it would do. */
export const mappingRoutes: FastifyPluginAsyncTypebox<{ db: Kysely<Database>; channels: Channels }> = async (
  app,
  { db, channels },
) => {
  app.get(
    '/connections/:id/mapping',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        operationId: 'getMapping',
        summary: 'Show the field mapping in force',
        description: 'Version 0 is the default mapping. The ETag is the version, for If-Match.',
        params: Params,
        response: { 200: MappingView },
      },
    },
    async (request, reply) => {
      const { id } = await requireConnection(db, request, request.params.id)
      return sendMapping(reply, id, await findCurrentMapping(db, id))
    },
  )

  app.put(
    '/connections/:id/mapping',
    {
      config: {
        roles: ['manager'],
        refusals: {
          409: ['MAPPING_CHANGED'],
          412: ['MAPPING_CHANGED'],
          422: ['MAPPING_NOT_APPLICABLE'],
        },
      },
      // The check of the spec adds to the violations, in words of its own.
      attachValidation: true,
      schema: {
        tags,
        operationId: 'replaceMapping',
        summary: 'Replace the field mapping',
        description:
          'Checks the whole spec and answers 422 with the place of everything that is wrong. It maps what comes in from then on; `POST …/mapping/remap` maps existing bookings again. The same spec again makes no new version. `expectedVersion` (409) or If-Match (412) refuses the change where another version is in force meanwhile: `MAPPING_CHANGED`.',
        params: Params,
        body: MappingBody,
        response: { 200: MappingView },
      },
    },
    async (request, reply) => {
      const connection = await requireConnection(db, request, request.params.id)
      refuseWrongBody(request)
      const { spec, expectedVersion } = request.body
      const matched = readIfMatch(request)
      if (matched !== undefined && expectedVersion !== undefined && matched !== expectedVersion) {
        throw changed(412)
      }
      const stored = await storeMapping(db, connection, spec, matched ?? expectedVersion)
      if (stored === undefined) throw changed(matched === undefined ? 409 : 412)
      return sendMapping(reply, connection.id, stored)
    },
  )

  app.get(
    '/connections/:id/mapping/versions',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        operationId: 'listMappingVersions',
        summary: 'List the versions of the field mapping, newest first',
        params: Params,
        querystring: Type.Object(pageQuery),
        response: { 200: pageOf(MappingView) },
      },
    },
    async (request) => {
      const { id } = await requireConnection(db, request, request.params.id)
      const { limit, cursor } = request.query
      const rows = await listMappings(db, { connectionId: id, limit, before: cursorVersion(cursor) })
      return toPage(
        rows,
        limit,
        ({ version }) => String(version),
        (row) => toMappingView(id, row),
      )
    },
  )

  app.get(
    '/connections/:id/mapping/versions/:version',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags,
        operationId: 'getMappingVersion',
        summary: 'Show a version of the field mapping',
        params: Type.Object({
          id: idOf('connection'),
          version: Type.String({ description: 'Number of the version.' }),
        }),
        response: { 200: MappingView },
      },
    },
    async (request) => {
      const { id } = await requireConnection(db, request, request.params.id)
      const { version } = request.params
      if (version === '0') return toMappingView(id, undefined)
      const stored = /^[1-9]\d{0,8}$/.test(version) ? await findMapping(db, id, Number(version)) : undefined
      if (stored === undefined) throw notFound('The version')
      return toMappingView(id, stored)
    },
  )

  app.post(
    '/connections/:id/mapping/preview',
    {
      config: { roles: ['manager'], isHeavy: true, refusals: { 422: ['MAPPING_NOT_APPLICABLE'] } },
      attachValidation: true,
      schema: {
        tags,
        operationId: 'previewMapping',
        summary: 'Try a field mapping without changing anything',
        description:
          'Maps one reservation, given in the body or by a stored webhook, and answers its draft with everything that keeps it from being complete. With `last`, maps that many of the bookings and waiting reservations that changed last, and answers what would change.',
        params: Params,
        body: PreviewBody,
        response: { 200: PreviewAnswer },
      },
    },
    async (request): Promise<PreviewResult> => {
      const connection = await requireConnection(db, request, request.params.id)
      refuseWrongBody(request)
      return previewMapping({ db, channels }, connection, request.body)
    },
  )
}

function sendMapping(reply: FastifyReply, connectionId: string, stored: StoredMapping | undefined) {
  reply.header('etag', `"${stored?.version ?? 0}"`)
  return toMappingView(connectionId, stored)
}

function toMappingView(connectionId: string, stored: StoredMapping | undefined) {
  return {
    connectionId,
    version: stored?.version ?? 0,
    spec: stored?.spec ?? defaultSpec,
    createdAt: stored?.createdAt.toISOString() ?? null,
  }
}

function readIfMatch({ headers }: FastifyRequest): number | undefined {
  const header = headers['if-match']
  if (header === undefined || header.trim() === '*') return undefined
  const version = /^\s*(?:W\/)?"(\d{1,9})"\s*$/.exec(header)?.[1]
  // What is no ETag of ours cannot match.
  return version === undefined ? -1 : Number(version)
}

function changed(status: 409 | 412): Problem {
  return new Problem(
    status,
    'MAPPING_CHANGED',
    'Another version of the mapping is in force; read it and decide again',
  )
}

function cursorVersion(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined
  if (!/^\d{1,9}$/.test(cursor)) {
    throw new Problem(422, 'INVALID_CURSOR', 'cursor must be the nextCursor of an earlier answer')
  }
  return Number(cursor)
}
