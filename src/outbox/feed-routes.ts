import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import { Type } from 'typebox'
import type { Database } from '../platform/db/tables.ts'
import { tenantScope } from '../platform/http/api-auth.ts'
import { pageQuery } from '../platform/http/paging.ts'
import { Problem } from '../platform/http/problems.ts'
import { isEventId, outboxEventTypes, readEvents } from './outbox-store.ts'

const Event = Type.Object(
  {
    id: Type.String({ description: 'Position in the feed; pass the last one as `after`.' }),
    type: Type.Enum([...outboxEventTypes]),
    time: Type.String(),
    data: Type.Record(Type.String(), Type.Unknown()),
  },
  { title: 'Event' },
)

const eventId = Type.String({ maxLength: 40, description: 'Id of an event of this feed.' })

/** The outbox as a feed that is read at one's own pace. */
export const feedRoutes: FastifyPluginAsyncTypebox<{ db: Kysely<Database> }> = async (app, { db }) => {
  app.get(
    '/feed',
    {
      config: { roles: ['viewer', 'service'] },
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
      const { cursor, after = cursor, limit } = request.query
      if (after !== undefined && !isEventId(after)) {
        throw new Problem(422, 'INVALID_CURSOR', '`after` must be the id of an event of this feed')
      }
      const events = await readEvents(db, { tenantId: tenantScope(request), after, limit })
      return {
        data: events.map(({ id, type, time, data }) => ({
          id,
          type,
          time: time.toISOString(),
          data: data as Record<string, unknown>,
        })),
        nextCursor: events.at(-1)?.id ?? after ?? null,
      }
    },
  )
}
