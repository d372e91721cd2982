import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import { Type } from 'typebox'
import { type DesiredNight, desiredOfUnit } from '../calendar/desired-of-unit.ts'
import { listListingsOfUnit } from '../listings/listing-store.ts'
import { addDays, dayIn, eachDay } from '../platform/days.ts'
import type { BlockRow, Database } from '../platform/db/tables.ts'
import { Day, LastDay, textIdOf } from '../platform/http/fields.ts'
import { notFound, Problem } from '../platform/http/problems.ts'
import { requireTenant } from '../tenants/require-tenant.ts'
import { listBlocksOfUnit } from './block-store.ts'

const defaultDays = 90
const maxDays = 1_100

const CalendarDay = Type.Object(
  {
    date: Type.String(),
    booked: Type.Boolean({ description: 'Every unit is held on this night.' }),
    bookingId: Type.Union([Type.String(), Type.Null()], {
      description:
        'The (first) booking that holds this night; null also where a reservation waits for approval.',
    }),
    heldUnits: Type.Integer(),
    units: Type.Integer(),
    desired: Type.Record(Type.String(), Type.Unknown(), { description: 'What TVL desires of the channel.' }),
    pushed: Type.Record(Type.String(), Type.Unknown(), {
      description: 'What the channel acknowledged last.',
    }),
    pending: Type.Boolean({ description: 'Whether a desired value is still to be pushed.' }),
  },
  { title: 'CalendarDay' },
)

const nothingDesired: DesiredNight = { desired: {}, pushed: {}, pending: false }

/** The calendar of a unit: which nights are held, by what, and what is desired of them. */
export const unitCalendarRoutes: FastifyPluginAsyncTypebox<{ db: Kysely<Database> }> = async (
  app,
  { db },
) => {
  app.get(
    '/units/:unitId/calendar',
    {
      config: { roles: ['viewer', 'service'] },
      schema: {
        tags: ['Bookings'],
        operationId: 'getUnitCalendar',
        summary: 'Show the calendar of a unit',
        description: `Both ends inclusive; without them the ${defaultDays} days from today (UTC).`,
        params: Type.Object({ unitId: textIdOf('unit') }),
        querystring: Type.Object({
          tenant: Type.Optional(Type.String()),
          from: Type.Optional(Day),
          to: Type.Optional(LastDay),
        }),
        response: { 200: Type.Object({ data: Type.Array(CalendarDay) }) },
      },
    },
    async (request) => {
      const tenant = await requireTenant(db, request, request.query.tenant)
      const { from, to } = rangeOf(request.query)
      const scope = { tenantId: tenant.id, unitId: request.params.unitId }
      const listings = await listListingsOfUnit(db, scope)
      const blocks = await listBlocksOfUnit(db, { ...scope, from, to })
      // A person may have put a stay into a unit that no listing stands for.
      if (listings.length === 0 && blocks.length === 0) throw notFound(`Unit ${scope.unitId}`)
      const units = Math.max(1, ...listings.map((listing) => listing.unit_count))
      const desired = await desiredOfUnit(db, listings, { from, to })
      return {
        data: eachDay(from, to).map((date) => ({
          ...toCalendarDay(date, units, blocks),
          ...(desired.get(date) ?? nothingDesired),
        })),
      }
    },
  )
}

function rangeOf(query: { from?: string; to?: string }): { from: string; to: string } {
  const { from = dayIn(null, new Date()) } = query
  const { to = addDays(from, defaultDays - 1) } = query
  if (to < from || addDays(from, maxDays) < to) {
    throw new Problem(422, 'VALIDATION_FAILED', 'The range is not valid', [
      { field: 'to', message: `must be from \`from\` to at most ${maxDays} days after it` },
    ])
  }
  return { from, to }
}

function toCalendarDay(date: string, units: number, blocks: BlockRow[]) {
  const holding = blocks.filter((block) => block.first_night <= date && date < block.departure)
  const heldUnits = holding.reduce((sum, block) => sum + block.unit_count, 0)
  return {
    date,
    booked: heldUnits >= units,
    bookingId: holding.find((block) => block.booking_id !== null)?.booking_id ?? null,
    heldUnits,
    units,
  }
}
