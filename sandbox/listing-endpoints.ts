import type { FastifyInstance } from 'fastify'
import type { StoredListing } from './accounts.ts'
import { listingOf, writableListingOf } from './accounts.ts'
import { accountOf } from './api-pipeline.ts'
import { succeed, succeedWithList } from './hostaway-answers.ts'
import type { JsonObject } from './json-text.ts'
import { pageByOffset } from './list-paging.ts'
import { datetimeText } from './plain-days.ts'
import { InvalidInput } from './refusals.ts'
import { bodyObject, idFromPath, queryTexts } from './request-reading.ts'
import type { World } from './world.ts'

const cancellationPolicies = ['flexible', 'moderate', 'firm', 'strict', 'no_refund']
const notWritable = new Set(['id', 'insertedOn', 'latestActivityOn', 'listingUnits', 'averageNightlyPrice'])
const numbersNotBelowZero = ['price', 'cleaningFee', 'priceForExtraPerson', 'personCapacity']
const wholeNumbersAboveZero = ['minNights', 'maxNights']

const orders: Record<string, (left: StoredListing, right: StoredListing) => number> = {
  name: (left, right) => left.body.name.localeCompare(right.body.name),
  nameReversed: (left, right) => right.body.name.localeCompare(left.body.name),
  order: (left, right) => left.body.id - right.body.id,
  orderReversed: (left, right) => right.body.id - left.body.id,
}

/** `/listings` and `/listingUnits` of the API. */
export function addListingEndpoints(app: FastifyInstance, world: World): void {
  app.get('/listings', async (request, reply) => {
    const query = queryTexts(request)
    const found = [...accountOf(request).listings.values()].filter((listing) => matches(listing, query))
    const order = orders[query.sortOrder ?? 'order']
    if (order) found.sort(order)
    return succeedWithList(world, reply, pageByOffset(found, query, showListing))
  })

  app.get('/listings/:id', async (request, reply) =>
    succeed(reply, showListing(listingOf(accountOf(request), idFromPath(request, 'id')))),
  )

  app.put('/listings/:id', async (request, reply) => {
    const listing = writableListingOf(accountOf(request), idFromPath(request, 'id'))
    const fields = Object.fromEntries(
      Object.entries(bodyObject(request)).filter(([key]) => !notWritable.has(key)),
    )
    // Rows of an array that is sent empty are gone even when the rest is refused.
    for (const [key, value] of Object.entries(fields)) {
      if (Array.isArray(value) && value.length === 0) listing.body[key] = []
    }
    checkFields(fields)
    Object.assign(listing.body, fields, { latestActivityOn: datetimeText(Date.now()) })
    return succeed(reply, showListing(listing))
  })

  app.get('/listingUnits/:id', async (request, reply) =>
    succeed(reply, listingOf(accountOf(request), idFromPath(request, 'id')).units),
  )
}

function showListing(listing: StoredListing): JsonObject {
  return { ...listing.body, listingUnits: listing.units }
}

function matches({ body }: StoredListing, query: Record<string, string>): boolean {
  const wanted = query.match?.toLowerCase()
  return (
    ['city', 'country', 'contactName', 'propertyTypeId'].every(
      (key) => query[key] === undefined || String(body[key]) === query[key],
    ) &&
    (wanted === undefined || body.name.toLowerCase().includes(wanted))
  )
}

function checkFields(fields: JsonObject): void {
  const { cancellationPolicy } = fields
  if (cancellationPolicy !== undefined && !cancellationPolicies.includes(String(cancellationPolicy))) {
    throw new InvalidInput(`cancellationPolicy must be one of ${cancellationPolicies.join(', ')}`, 200)
  }
  for (const key of numbersNotBelowZero) {
    const value = fields[key]
    if (value === undefined || (value === null && key !== 'price')) continue
    if (typeof value !== 'number' || value < 0) throw new InvalidInput(`${key} must be a number not below 0`)
  }
  for (const key of wholeNumbersAboveZero) {
    const value = fields[key]
    if (value === undefined || value === null) continue
    if (!Number.isInteger(value) || Number(value) < 1) {
      throw new InvalidInput(`${key} must be a whole number above 0`)
    }
  }
  if (fields.name !== undefined && (typeof fields.name !== 'string' || fields.name === '')) {
    throw new InvalidInput('name must be a text')
  }
}
