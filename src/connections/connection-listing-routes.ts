import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import { Type } from 'typebox'
import type { Database } from '../db/tables.ts'
import { tenantScope } from '../http/api-auth.ts'
import { isUuid, pageOf, pageQuery, toPage } from '../http/paging.ts'
import { notFound } from '../http/problems.ts'
import { listListings } from '../listings/listing-store.ts'
import { findConnection } from './connection-store.ts'

const nullableText = Type.Union([Type.String(), Type.Null()])

const ListingView = Type.Object({
  listingId: Type.String({ description: 'Hostaway’s id, which it calls listingMapId elsewhere.' }),
  unitId: nullableText,
  name: Type.String(),
  currency: nullableText,
  timeZone: nullableText,
  units: Type.Integer({ description: 'How many units of this type there are to sell.' }),
  commissionRate: Type.Union([Type.Number(), Type.Null()]),
})

/** The listings of a connection and the units they stand for. */
export const connectionListingRoutes: FastifyPluginAsyncTypebox<{ db: Kysely<Database> }> = async (
  app,
  { db },
) => {
  app.get(
    '/connections/:id/listings',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags: ['Connections'],
        summary: 'List the listings of a connection',
        params: Type.Object({ id: Type.String() }),
        querystring: Type.Object(pageQuery),
        response: { 200: pageOf(ListingView) },
      },
    },
    async (request) => {
      const { id } = request.params
      const connection = isUuid(id)
        ? await findConnection(db, id, { tenantId: tenantScope(request) })
        : undefined
      if (connection === undefined) throw notFound('The connection')
      const { limit, cursor } = request.query
      const rows = await listListings(db, { connectionId: id, limit, after: cursor })
      return toPage(
        rows,
        limit,
        (row) => row.listing_id,
        (row) => ({
          listingId: row.listing_id,
          unitId: row.unit_id,
          name: row.name,
          currency: row.currency,
          timeZone: row.time_zone,
          units: row.unit_count,
          commissionRate: row.commission_rate === null ? null : Number(row.commission_rate),
        }),
      )
    },
  )
}
