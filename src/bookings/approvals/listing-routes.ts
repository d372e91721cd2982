import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { requireConnection } from '../../connections/require-connection.ts'
import { listListings, listUnits } from '../../listings/listing-store.ts'
import type { ListingRow } from '../../platform/db/tables.ts'
import { idOf, textIdOf } from '../../platform/http/fields.ts'
import { isUuid, pageOf, pageQuery, toPage } from '../../platform/http/paging.ts'
import { Problem } from '../../platform/http/problems.ts'
import { requireTenant } from '../../tenants/require-tenant.ts'
import { type MapListingDeps, type Mapped, mapListings } from './map-listing.ts'

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

const order = {
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
}
const maxOrders = 500

const MappedListing = Type.Object(
  {
    ...ListingView.properties,
    moved: Type.Integer({ description: 'Reservations whose nights moved to the unit.' }),
    released: Type.Integer({
      description: 'Reservations that had waited for the listing; of very many the rest follows by itself.',
    }),
  },
  { title: 'MappedListing' },
)

/** The listings of a connection and the units they stand for. */
export const listingRoutes: FastifyPluginAsyncTypebox<MapListingDeps> = async (app, deps) => {
  const { db } = deps
  app.get(
    '/connections/:id/listings',
    {
      config: { roles: ['viewer', 'service'] },
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
        body: Type.Object(order, { additionalProperties: false }),
        response: { 200: MappedListing },
      },
    },
    async (request) => {
      const connection = await requireConnection(db, request, request.params.id)
      const { unitId, commissionRate } = request.body
      const { listingId } = request.params
      const [mapped] = await mapListings(deps, connection, [{ listingId, unitId, commissionRate }])
      if (mapped === undefined) throw new Error('A listing was mapped and is not answered')
      return toMappedView(mapped)
    },
  )

  app.put(
    '/connections/:id/listings',
    {
      config: { roles: ['manager'], refusals: { 409: ['UNIT_ALREADY_MAPPED'] } },
      schema: {
        tags: ['Connections'],
        operationId: 'mapListings',
        summary: 'Map many listings to units at once',
        description:
          'All of them or none; listings that are not named stay as they are, and two may change units. See mapListing for what follows.',
        params: Type.Object({ id: idOf('connection') }),
        body: Type.Array(
          Type.Object(
            { listingId: Type.String({ pattern: '\\S', maxLength: 200 }), ...order },
            { additionalProperties: false },
          ),
          { minItems: 1, maxItems: maxOrders, examples: [[{ listingId: '400001', unitId: 'quay-flat' }]] },
        ),
        response: { 200: Type.Object({ data: Type.Array(MappedListing) }) },
      },
    },
    async (request) => {
      const connection = await requireConnection(db, request, request.params.id)
      refuseTwice(request.body)
      const orders = request.body.map(({ listingId, unitId, commissionRate }) => ({
        listingId,
        unitId,
        commissionRate,
      }))
      return { data: (await mapListings(deps, connection, orders)).map(toMappedView) }
    },
  )

  app.get(
    '/units',
    {
      config: { roles: ['viewer', 'service'] },
      schema: {
        tags: ['Connections'],
        operationId: 'listUnits',
        summary: 'List the units and the listings that stand for them',
        description: 'In the order of their ids. A unit may have one listing of each connection.',
        querystring: Type.Object({
          ...pageQuery,
          tenant: Type.Optional(Type.String()),
          connection: Type.Optional(Type.String()),
        }),
        response: {
          200: pageOf(
            Type.Object(
              {
                unitId: Type.String(),
                units: Type.Integer({ description: 'How many there are of this unit to sell.' }),
                listings: Type.Array(
                  Type.Object({ connectionId: Type.String(), listingId: Type.String(), name: Type.String() }),
                ),
              },
              { title: 'Unit' },
            ),
          ),
        },
      },
    },
    async (request) => {
      const { limit, cursor, tenant, connection } = request.query
      const { id: tenantId } = await requireTenant(db, request, tenant)
      if (connection !== undefined && !isUuid(connection)) return { data: [], nextCursor: null }
      const rows = await listUnits(db, { tenantId, connectionId: connection, limit, after: cursor })
      return toPage(
        rows,
        limit,
        ({ unitId }) => unitId,
        (row) => row,
      )
    },
  )
}

function refuseTwice(orders: Array<{ listingId: string; unitId: string | null }>): void {
  const errors = orders.flatMap(({ listingId, unitId }, at) => {
    const before = orders.slice(0, at)
    return [
      ...(before.some((one) => one.listingId === listingId)
        ? [{ field: `${at}.listingId`, message: `listing ${listingId} is named before` }]
        : []),
      ...(unitId !== null && before.some((one) => one.unitId === unitId)
        ? [{ field: `${at}.unitId`, message: `unit ${unitId} is given before` }]
        : []),
    ]
  })
  if (errors.length > 0) throw new Problem(422, 'VALIDATION_FAILED', 'The body is not valid', errors)
}

function toMappedView({ listing, moved, released }: Mapped) {
  return { ...toListingView(listing), moved, released }
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
