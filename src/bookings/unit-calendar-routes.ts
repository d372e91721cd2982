import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import { type Static, Type } from 'typebox'
import { desiredOfUnits, nothingDesired } from '../calendar/desired-of-unit.ts'
import { nightStates } from '../calendar/sync-status-store.ts'
import { listListingsOfUnit, listUnits } from '../listings/listing-store.ts'
import { addDays, dayIn, eachDay } from '../platform/days.ts'
import type { BlockRow, Database } from '../platform/db/tables.ts'
import { Day, LastDay, textIdOf } from '../platform/http/fields.ts'
import { isUuid, pageOf, pageQuery, toPage } from '../platform/http/paging.ts'
import { notFound, Problem } from '../platform/http/problems.ts'
import { requireTenant } from '../tenants/require-tenant.ts'
import { listBlocksOfUnits } from './block-store.ts'

const defaultDays = 90
const maxDays = 1_100
const maxDaysOfMany = 100
const nullableText = Type.Union([Type.String(), Type.Null()])

const CalendarDay = Type.Object(
  {
    date: Type.String(),
    booked: Type.Boolean({ description: 'Every unit is held on this night.' }),
    bookingId: Type.Union([Type.String(), Type.Null()], {
      description:
        'The (first) booking that holds this night; null also where a reservation waits for approval.',
    }),
    bookingIds: Type.Array(Type.String(), { description: 'Every booking that holds this night.' }),
    queueId: Type.Union([Type.String(), Type.Null()], {
      description: 'The row of the booking queue whose reservation holds this night until a person decides.',
    }),
    heldUnits: Type.Integer(),
    units: Type.Integer(),
    desired: Type.Record(Type.String(), Type.Unknown(), { description: 'What TVL desires of the channel.' }),
    pushed: Type.Record(Type.String(), Type.Unknown(), {
      description: 'What the channel acknowledged last.',
    }),
    pending: Type.Boolean({ description: 'Whether a desired value is still to be pushed.' }),
    state: Type.Enum([...nightStates, 'unmapped'], {
      description:
        'How the desired values stand. `none`: nothing is desired; `failed`: dead-lettered; `paused`, `disabled`: the connection or this part of it pushes nothing; `held`: a booking holds the night; `unmapped`: no listing stands for the unit.',
    }),
    reason: Type.Union([Type.String(), Type.Null()], { description: 'Why it stands so, for people.' }),
    deadLetterId: nullableText,
    desiredAt: nullableText,
    desiredBy: Type.Union([
      Type.Object({
        eventId: Type.String({ description: 'See getDesiredEvent.' }),
        tokenId: nullableText,
        name: Type.String(),
        role: Type.String(),
      }),
      Type.Null(),
    ]),
  },
  { title: 'CalendarDay' },
)

/** The calendars of units: which nights are held, by what, what is desired of them, and how that stands. */
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
      const { id: tenantId } = await requireTenant(db, request, request.query.tenant)
      const range = rangeOf(request.query, { days: defaultDays, maxDays })
      const { unitId } = request.params
      const listings = await listListingsOfUnit(db, { tenantId, unitId })
      const units = Math.max(1, ...listings.map((listing) => listing.unit_count))
      const blocks = await listBlocksOfUnits(db, { tenantId, unitIds: [unitId], ...range })
      // A person may have put a stay into a unit that no listing stands for.
      if (listings.length === 0 && blocks.length === 0) throw notFound(`Unit ${unitId}`)
      const desired = await desiredOfUnits(
        db,
        { tenantId, unitIds: [unitId], connectionId: undefined },
        range,
      )
      const unit = { unitId, units, isMapped: listings.length > 0 }
      return { data: daysOf(unit, range, blocks, desired) }
    },
  )

  app.get(
    '/calendar',
    {
      config: { roles: ['viewer', 'service'] },
      schema: {
        tags: ['Bookings'],
        operationId: 'getCalendar',
        summary: 'Show the calendars of many units',
        description: `In the order of the units; at most ${maxDaysOfMany} days, without \`from\` and \`to\` the 31 days from today (UTC).`,
        querystring: Type.Object({
          ...pageQuery,
          tenant: Type.Optional(Type.String()),
          connection: Type.Optional(Type.String()),
          from: Type.Optional(Day),
          to: Type.Optional(LastDay),
        }),
        response: {
          200: pageOf(
            Type.Object({ unitId: Type.String(), days: Type.Array(CalendarDay) }, { title: 'UnitCalendar' }),
          ),
        },
      },
    },
    async (request) => {
      const { limit, cursor, connection, tenant } = request.query
      const { id: tenantId } = await requireTenant(db, request, tenant)
      const range = rangeOf(request.query, { days: 31, maxDays: maxDaysOfMany })
      if (connection !== undefined && !isUuid(connection)) return { data: [], nextCursor: null }
      const scope = { tenantId, connectionId: connection }
      const units = await listUnits(db, { ...scope, limit, after: cursor })
      const unitIds = units.slice(0, limit).map(({ unitId }) => unitId)
      const blocks = Map.groupBy(
        await listBlocksOfUnits(db, { tenantId, unitIds, ...range }),
        ({ unit_id }) => unit_id,
      )
      const desired = await desiredOfUnits(db, { ...scope, unitIds }, range)
      return toPage(
        units,
        limit,
        ({ unitId }) => unitId,
        ({ unitId, units: count }) => ({
          unitId,
          days: daysOf({ unitId, units: count, isMapped: true }, range, blocks.get(unitId) ?? [], desired),
        }),
      )
    },
  )
}

type Query = { from?: string; to?: string }

function rangeOf(query: Query, { days, maxDays }: { days: number; maxDays: number }): Required<Query> {
  const { from = dayIn(null, new Date()) } = query
  const { to = addDays(from, days - 1) } = query
  if (to < from || addDays(from, maxDays) < to) {
    throw new Problem(422, 'VALIDATION_FAILED', 'The range is not valid', [
      { field: 'to', message: `must be from \`from\` to at most ${maxDays} days after it` },
    ])
  }
  return { from, to }
}

type HeldBlock = BlockRow & { queue_id: string | null }

function daysOf(
  { unitId, units, isMapped }: { unitId: string; units: number; isMapped: boolean },
  { from, to }: Required<Query>,
  blocks: HeldBlock[],
  desired: Awaited<ReturnType<typeof desiredOfUnits>>,
): Static<typeof CalendarDay>[] {
  return eachDay(from, to).map((date) => {
    const holding = blocks.filter((block) => block.first_night <= date && date < block.departure)
    const heldUnits = holding.reduce((sum, block) => sum + block.unit_count, 0)
    const bookingIds = holding.flatMap(({ booking_id }) => booking_id ?? [])
    return {
      date,
      booked: heldUnits >= units,
      bookingId: bookingIds[0] ?? null,
      bookingIds,
      queueId: holding.find(({ queue_id }) => queue_id !== null)?.queue_id ?? null,
      heldUnits,
      units,
      ...(desired.get(`${unitId} ${date}`) ?? nothingDesired),
      ...(isMapped ? {} : { state: 'unmapped' as const, reason: 'No listing stands for the unit' }),
    }
  })
}
