import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import { Type } from 'typebox'
import type { Database } from '../platform/db/tables.ts'
import { tenantScope } from '../platform/http/api-auth.ts'
import { pageQuery } from '../platform/http/paging.ts'
import { Problem } from '../platform/http/problems.ts'
import {
  isEventId,
  isOfThisDatabase,
  newestEventId,
  type OutboxEventType,
  outboxEventTypes,
  readEvents,
} from './outbox-store.ts'

const Event = Type.Object(
  {
    id: Type.String({ description: 'Position in the feed; pass the last one as `after`.' }),
    type: Type.Enum([...outboxEventTypes]),
    time: Type.String(),
    subject: Type.String({
      description: 'What the event is about; events of one subject come in the order in which they happened.',
    }),
    data: Type.Record(Type.String(), Type.Unknown()),
  },
  { title: 'Event' },
)

const eventId = Type.String({ maxLength: 40, description: 'Id of an event of this feed.' })

const wantedType = '(?:\\*|[a-z_]+\\.(?:\\*|[a-z_]+))'

function chosenTypes(types: string): OutboxEventType[] {
  const patterns = types.split(',')
  const isWanted = (type: OutboxEventType) => patterns.some((one) => one === '*' || isOneOf(type, one))
  const unknown = patterns.filter(
    (one) => one !== '*' && !outboxEventTypes.some((type) => isOneOf(type, one)),
  )
  if (unknown.length === 0) return outboxEventTypes.filter(isWanted)
  const message = `${unknown.join(', ')} is no type of event; these are: ${outboxEventTypes.join(', ')}`
  throw new Problem(422, 'VALIDATION_FAILED', 'The query is not valid', [{ field: 'types', message }])
}

function isOneOf(type: OutboxEventType, pattern: string): boolean {
  return type === pattern || `${type.split('.', 1)[0]}.*` === pattern
}

/** The outbox as a feed that is read at one's own pace. */
export const feedRoutes: FastifyPluginAsyncTypebox<{ db: Kysely<Database> }> = async (app, { db }) => {
  app.get(
    '/feed',
    {
      config: { roles: ['viewer', 'service'], refusals: { 422: ['INVALID_CURSOR'] }, cursorIsPosition: true },
      schema: {
        tags: ['Bookings'],
        operationId: 'readFeed',
        summary: 'Read events in order',
        description:
          'Events after the one with the id `after`, oldest first; `nextCursor` is the `after` of the next read, also where nothing new was there. `firstNight` and `departure` are the first night held and the day of departure.',
        querystring: Type.Object({
          after: Type.Optional(eventId),
          cursor: Type.Optional({ ...eventId, description: 'The same as `after`, as every list has it.' }),
          limit: pageQuery.limit,
          types: Type.Optional(
            Type.String({
              pattern: `^${wantedType}(?:,${wantedType})*$`,
              maxLength: 1_000,
              description: 'Only these types, with commas between: exact, `booking.*`, or `*`.',
            }),
          ),
        }),
        response: {
          200: Type.Object({
            data: Type.Array(Event),
            nextCursor: Type.Union([Type.String(), Type.Null()]),
          }),
        },
      },
    },
    async (request) => {
      const { cursor, after = cursor, limit, types } = request.query
      const wanted = types === undefined ? undefined : chosenTypes(types)
      const tenantId = tenantScope(request)
      if (cursor !== undefined && after !== cursor) {
        throw new Problem(422, 'INVALID_CURSOR', '`after` and `cursor` are the same; send one of them')
      }
      if (after !== undefined && !(isEventId(after) && (await isOfThisDatabase(db, after)))) {
        throw new Problem(422, 'INVALID_CURSOR', '`after` must be the id of an event of this feed')
      }
      // In one snapshot: what is skipped for its type is then known to be seen.
      const { events, seen } = await db
        .transaction()
        .setIsolationLevel('repeatable read')
        .setAccessMode('read only')
        .execute(async (trx) => {
          const read = await readEvents(trx, { tenantId, after, limit, types: wanted })
          const skips = wanted !== undefined && read.length < limit
          const newest = skips ? await newestEventId(trx, tenantId) : undefined
          return { events: read, seen: newest ?? read.at(-1)?.id }
        })
      return {
        data: events.map(({ id, type, time, subject, data }) => ({
          id,
          type,
          time: time.toISOString(),
          subject,
          data: data as Record<string, unknown>,
        })),
        nextCursor: seen ?? after ?? null,
      }
    },
  )
}
