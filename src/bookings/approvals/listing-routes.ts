import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { requireConnection } from '../../connections/require-connection.ts'
import { listListings } from '../../listings/listing-store.ts'
import type { ListingRow } from '../../platform/db/tables.ts'
import { idOf, textIdOf } from '../../platform/http/fields.ts'
import { pageOf, pageQuery, toPage } from '../../platform/http/paging.ts'
import { type MapListingDeps, mapListing } from './map-listing.ts'

const nullableText = Type.Union([Type.String(), Type.Null()])

const ListingView = Type.Object(
  {
    listingId: Type.String({ description: 'The channel’s id, which it calls listingMapId elsewhere.' }),
    unitId: nullableText,
    name: Type.String(),
    currency: nullableText,
    timeZone: nullableText,
    units: Type.Integer({ description: 'How many units of this type there are to sell.' }),
    commissionRate: Type.Union([Type.Number(), Type.Null()]),
  },
  { title: 'Listing' },
)

const MappingOrder = Type.Object(
  {
    unitId: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      pattern: '\\S',
      maxLength: 200,
      description: 'TVL’s unit; `null` takes the listing off its unit.',
    }),
    commissionRate: Type.Optional(
      Type.Unsafe<number | null>({
        type: ['number', 'null'],
        minimum: 0,
        maximum: 1,
        description: 'A share, such as 0.15; left out, it stays as it is.',
      }),
    ),
  },
  { additionalProperties: false },
)

/** The listings of a connection and the units they stand for. */
export const listingRoutes: FastifyPluginAsyncTypebox<MapListingDeps> = async (app, deps) => {
  const { db } = deps
  app.get(
    '/connections/:id/listings',
    {
      config: { roles: ['viewer'] },
      schema: {
        tags: ['Connections'],
        operationId: 'listListings',
        summary: 'List the listings of a connection',
        params: Type.Object({ id: idOf('connection') }),
        querystring: Type.Object(pageQuery),
        response: { 200: pageOf(ListingView) },
      },
    },
    async (request) => {
      const { id } = await requireConnection(db, request, request.params.id)
      const { limit, cursor } = request.query
      const rows = await listListings(db, { connectionId: id, limit, after: cursor })
      return toPage(rows, limit, (row) => row.listing_id, toListingView)
    },
  )

  app.put(
    '/connections/:id/listings/:listingId',
    {
      config: { roles: ['manager'], refusals: { 409: ['UNIT_ALREADY_MAPPED'] } },
      schema: {
        tags: ['Connections'],
        operationId: 'mapListing',
        summary: 'Map a listing to a unit',
        description:
          'What waited for the listing is released at once. A listing that had another unit takes the stays that are not over with it, and starts without desired values until `full-sync` restores them. 409 `UNIT_ALREADY_MAPPED` where the unit has another listing of this connection.',
        params: Type.Object({ id: idOf('connection'), listingId: textIdOf('listing at the channel') }),
        body: MappingOrder,
        response: {
          200: Type.Object({
            ...ListingView.properties,
            moved: Type.Integer({ description: 'Reservations whose nights moved to the unit.' }),
            released: Type.Integer({
              description:
                'Reservations that had waited for the listing; of very many the rest follows by itself.',
            }),
          }),
        },
      },
    },
    async (request) => {
      const connection = await requireConnection(db, request, request.params.id)
      const { unitId, commissionRate } = request.body
      const mapped = await mapListing(deps, connection, request.params.listingId, { unitId, commissionRate })
      return { ...toListingView(mapped.listing), moved: mapped.moved, released: mapped.released }
    },
  )
}

function toListingView(row: ListingRow) {
  return {
    listingId: row.listing_id,
    unitId: row.unit_id,
    name: row.name,
    currency: row.currency,
    timeZone: row.time_zone,
    units: row.unit_count,
    commissionRate: row.commission_rate === null ? null : Number(row.commission_rate),
  }
}
