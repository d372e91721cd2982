import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import { Type } from 'typebox'
import { dayIn } from '../platform/days.ts'
import type { Database } from '../platform/db/tables.ts'
import { Day } from '../platform/http/fields.ts'
import { isUuid, pageOf, pageQuery, toPage } from '../platform/http/paging.ts'
import { requireTenant } from '../tenants/require-tenant.ts'
import { type Conflict, listConflicts } from './conflict-store.ts'

const nullableText = Type.Union([Type.String(), Type.Null()])
const Party = Type.Object({
  bookingId: Type.String(),
  connectionId: Type.String(),
  externalId: Type.String(),
  listingId: Type.String(),
  checkIn: Type.String(),
  checkOut: Type.String(),
  guestName: nullableText,
  channelName: nullableText,
  confirmationCode: nullableText,
})

/** Stays that cannot both take place. */
export const conflictRoutes: FastifyPluginAsyncTypebox<{ db: Kysely<Database> }> = async (app, { db }) => {
  app.get(
    '/conflicts',
    {
      config: { roles: ['viewer', 'service'] },
      schema: {
        tags: ['Bookings'],
        operationId: 'listConflicts',
        summary: 'List confirmed bookings that share nights of a unit beyond its rooms',
        description:
          'A pair for every two bookings, the earliest shared night first; by default those from today (UTC) on. A pair disappears once one of the two is cancelled or moved.',
        querystring: Type.Object({
          ...pageQuery,
          tenant: Type.Optional(Type.String()),
          connection: Type.Optional(Type.String()),
          unitId: Type.Optional(Type.String()),
          from: Type.Optional(Day),
        }),
        response: {
          200: pageOf(
            Type.Object(
              {
                unitId: Type.String(),
                units: Type.Integer({ description: 'How many there are of the unit.' }),
                firstNight: Type.String({ description: 'The first night that both hold.' }),
                departure: Type.String({ description: 'The day on which the first of them leaves.' }),
                bookings: Type.Array(Party, { minItems: 2, maxItems: 2 }),
              },
              { title: 'Conflict' },
            ),
          ),
        },
      },
    },
    async (request) => {
      const { limit, cursor, tenant, connection, unitId, from = dayIn(null, new Date()) } = request.query
      const { id: tenantId } = await requireTenant(db, request, tenant)
      if (connection !== undefined && !isUuid(connection)) return { data: [], nextCursor: null }
      const rows = await listConflicts(db, {
        tenantId,
        connectionId: connection,
        unitId,
        from,
        limit,
        after: cursor,
      })
      return toPage(rows, limit, ({ position }) => position, toView)
    },
  )
}

function toView({ position: _position, ...conflict }: Conflict) {
  return conflict
}
