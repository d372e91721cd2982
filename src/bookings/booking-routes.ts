import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import { Type } from 'typebox'
import type { BookingRow, Database } from '../db/tables.ts'
import { tenantScope } from '../http/api-auth.ts'
import { cursorId, isUuid, pageOf, pageQuery, toPage } from '../http/paging.ts'
import { notFound, Problem } from '../http/problems.ts'
import { findBooking, listBookings } from './booking-store.ts'
import { BookingView, toBookingView } from './booking-view.ts'
import { DayText, requireDay } from './plain-day.ts'

const tags = ['Bookings']

const TimelineEntry = Type.Object({
  at: Type.String(),
  step: Type.Enum(['received', 'processed', 'stored', 'published']),
  detail: Type.String(),
  id: Type.String({ description: 'Of the webhook or the event.' }),
})

export type TimelineEntry = {
  at: Date
  step: 'received' | 'processed' | 'stored' | 'published'
  detail: string
  id: string
}

export type BookingRouteOptions = {
  db: Kysely<Database>
  /** What happened to a booking's reservation, oldest first. */
  timelineOf: (booking: BookingRow) => Promise<TimelineEntry[]>
}

/** Bookings, as other services read them. */
export const bookingRoutes: FastifyPluginAsyncTypebox<BookingRouteOptions> = async (
  app,
  { db, timelineOf },
) => {
  app.get(
    '/bookings',
    {
      config: { roles: ['viewer', 'service'] },
      schema: {
        tags,
        summary: 'List bookings',
        description:
          'In the order of their creation. `from` and `to` find stays with a night on or between these days.',
        querystring: Type.Object({
          ...pageQuery,
          connection: Type.Optional(Type.String()),
          unitId: Type.Optional(Type.String()),
          externalId: Type.Optional(Type.String()),
          status: Type.Optional(Type.Enum(['confirmed', 'pending', 'cancelled', 'inquiry'])),
          from: Type.Optional(DayText),
          to: Type.Optional(DayText),
          updatedAfter: Type.Optional(Type.String({ description: 'ISO 8601, with a time zone.' })),
        }),
        response: { 200: pageOf(BookingView) },
      },
    },
    async (request) => {
      const { connection, from, to, updatedAfter, limit, cursor, ...filter } = request.query
      if (connection !== undefined && !isUuid(connection)) return { data: [], nextCursor: null }
      const rows = await listBookings(db, {
        ...filter,
        tenantId: tenantScope(request),
        connectionId: connection,
        from: from === undefined ? undefined : requireDay('from', from),
        to: to === undefined ? undefined : requireDay('to', to),
        updatedAfter: updatedAfter === undefined ? undefined : requireInstant(updatedAfter),
        after: cursorId(cursor),
        limit,
      })
      return toPage(rows, limit, ({ id }) => id, toBookingView)
    },
  )

  app.get(
    '/bookings/:id',
    {
      config: { roles: ['viewer', 'service'] },
      schema: {
        tags,
        summary: 'Show a booking with its timeline',
        params: Type.Object({ id: Type.String() }),
        response: {
          200: Type.Object({ ...BookingView.properties, timeline: Type.Array(TimelineEntry) }),
        },
      },
    },
    async (request) => {
      const { id } = request.params
      const booking = isUuid(id) ? await findBooking(db, id, tenantScope(request)) : undefined
      if (booking === undefined) throw notFound('The booking')
      const timeline = await timelineOf(booking)
      return {
        ...toBookingView(booking),
        timeline: timeline.map((entry) => ({ ...entry, at: entry.at.toISOString() })),
      }
    },
  )
}

function requireInstant(text: string): Date {
  const time = Date.parse(text)
  if (Number.isNaN(time) || !/[zZ]|[+-]\d{2}:?\d{2}$/.test(text)) {
    throw new Problem(422, 'VALIDATION_FAILED', 'updatedAfter is not an instant', [
      { field: 'updatedAfter', message: 'must be an ISO 8601 instant with its time zone' },
    ])
  }
  return new Date(time)
}
