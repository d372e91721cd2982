import type { FastifyInstance } from 'fastify'
import type { StoredListing, WrittenDay } from './accounts.ts'
import { listingOf, writableListingOf } from './accounts.ts'
import { accountOf } from './api-pipeline.ts'
import { showDays, writeDays } from './calendar-days.ts'
import { succeed } from './hostaway-answers.ts'
import type { JsonValue } from './json-text.ts'
import { isJsonObject } from './json-text.ts'
import { addDays, daysBetween, isDay, todayInUtc } from './plain-days.ts'
import { InvalidInput } from './refusals.ts'
import { idFromPath, isSet, queryTexts } from './request-reading.ts'

type Interval = { first: string; last: string; values: WrittenDay }

const mostIntervals = 200
const mostDays = 1_830
const daysShownByDefault = 30

/** The calendar of a listing. Both ends of every range are included. */
export function addCalendarEndpoints(app: FastifyInstance): void {
  app.get('/listings/:id/calendar', async (request, reply) => {
    const account = accountOf(request)
    const listing = listingOf(account, idFromPath(request, 'id'))
    const query = queryTexts(request)
    const first = query.startDate ?? todayInUtc()
    const last = query.endDate ?? (isDay(first) ? addDays(first, daysShownByDefault) : '')
    checkRange(first, last)
    const options = { now: Date.now(), includeResources: isSet(query.includeResources) }
    return succeed(reply, showDays(account, listing, { first, last }, options))
  })

  app.put('/listings/:id/calendar', async (request, reply) => {
    const account = accountOf(request)
    const listing = writableListingOf(account, idFromPath(request, 'id'))
    const interval = readInterval(listing, request.body)
    writeDays(listing, interval.first, interval.last, interval.values)
    return succeed(reply, showDays(account, listing, interval, { now: Date.now(), includeResources: false }))
  })

  app.put('/listings/:id/calendarIntervals', async (request, reply) => {
    const listing = writableListingOf(accountOf(request), idFromPath(request, 'id'))
    const { body } = request
    if (!Array.isArray(body) || body.length === 0)
      throw new InvalidInput('The body must be an array of intervals')
    if (body.length > mostIntervals) throw new InvalidInput(`There can be at most ${mostIntervals} intervals`)
    const intervals = body.map((sent: unknown) => readInterval(listing, sent))
    for (const { first, last, values } of intervals) writeDays(listing, first, last, values)
    return succeed(reply, [])
  })
}

function checkRange(first: unknown, last: unknown): asserts first is string {
  if (!isDay(first) || !isDay(last))
    throw new InvalidInput('startDate and endDate must be days as YYYY-MM-DD')
  if (last < first) throw new InvalidInput('endDate must not be before startDate')
  if (daysBetween(first, last) >= mostDays) throw new InvalidInput(`There can be at most ${mostDays} days`)
}

function readInterval(listing: StoredListing, sent: unknown): Interval {
  if (!isJsonObject(sent)) throw new InvalidInput('An interval must be an object')
  const { startDate, endDate } = sent
  checkRange(startDate, endDate)
  const values: WrittenDay = {}
  const { isAvailable, price, minimumStay, maximumStay, closedOnArrival, closedOnDeparture, note } = sent
  if (isAvailable !== undefined) values.isAvailable = flag('isAvailable', isAvailable)
  if (price !== undefined) {
    if (typeof price !== 'number' || price < 0) throw new InvalidInput('price must be a number not below 0')
    values.price = price
  }
  if (minimumStay !== undefined) values.minimumStay = nights('minimumStay', minimumStay)
  if (maximumStay !== undefined) values.maximumStay = nights('maximumStay', maximumStay)
  if (closedOnArrival !== undefined) values.closedOnArrival = flagOrNull('closedOnArrival', closedOnArrival)
  if (closedOnDeparture !== undefined) {
    values.closedOnDeparture = flagOrNull('closedOnDeparture', closedOnDeparture)
  }
  if (note !== undefined) {
    if (note !== null && typeof note !== 'string') throw new InvalidInput('note must be a text or null')
    values.note = note
  }
  readUnits(listing, sent.desiredUnitsToSell, values)
  if (sent.isProcessed !== undefined) flag('isProcessed', sent.isProcessed)
  if (Object.keys(values).length === 0) throw new InvalidInput('An interval must change something')
  return { first: startDate, last: String(endDate), values }
}

// A listing of one unit knows open and blocked only; one of several knows a number only.
function readUnits(listing: StoredListing, desired: JsonValue | undefined, values: WrittenDay): void {
  if (desired !== undefined && desired !== null && (!Number.isInteger(desired) || Number(desired) < 0)) {
    throw new InvalidInput('desiredUnitsToSell must be a whole number not below 0')
  }
  const isMultiUnit = listing.units.length > 0
  if (typeof desired === 'number' && desired > Math.max(1, listing.units.length)) {
    throw new InvalidInput('desiredUnitsToSell is more than the listing has')
  }
  if (isMultiUnit && desired !== undefined)
    values.desiredUnitsToSell = desired === null ? null : Number(desired)
  else if (isMultiUnit && values.isAvailable !== undefined) {
    values.desiredUnitsToSell = values.isAvailable === 0 ? 0 : null
  } else if (typeof desired === 'number') values.isAvailable = desired > 0 ? 1 : 0
  if (isMultiUnit) delete values.isAvailable
}

function flag(name: string, value: JsonValue): number {
  if (value !== 0 && value !== 1) throw new InvalidInput(`${name} must be 0 or 1`)
  return value
}

function flagOrNull(name: string, value: JsonValue): number | null {
  return value === null ? null : flag(name, value)
}

function nights(name: string, value: JsonValue): number {
  if (!Number.isInteger(value) || Number(value) < 1) {
    throw new InvalidInput(`${name} must be a whole number above 0`)
  }
  return Number(value)
}
