import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely, Transaction } from 'kysely'
import { Type } from 'typebox'
import type { BookingStatus, Database } from '../platform/db/tables.ts'
import { tenantScope } from '../platform/http/api-auth.ts'
import { chosenOf, Day, Instant, idOf, severalOf } from '../platform/http/fields.ts'
import { isUuid, pageOf, pageQuery, toPage } from '../platform/http/paging.ts'
import { notFound } from '../platform/http/problems.ts'
import {
  type BookingWithTenant,
  bookingPosition,
  bookingSorts,
  findBooking,
  listBookings,
} from './booking-store.ts'
import { timelineOf, timelineSteps } from './booking-timeline.ts'
import { BookingDetail, toBookingDetail } from './booking-view.ts'
import { findPushes } from './outgoing/push-store.ts'

const tags = ['Bookings']

const TimelineEntry = Type.Object({
  at: Type.String(),
  step: Type.Enum([...timelineSteps], {
    description:
      '`accepted`, `pushed` and `failed` are steps of pushing to the channel what was made or changed here.',
  }),
  detail: Type.String(),
  id: Type.String({
    description: 'Of the webhook, the row of the booking queue, the booking, the event or the step.',
  }),
})

/** Bookings, as other services read them. */
export const bookingRoutes: FastifyPluginAsyncTypebox<{ db: Kysely<Database> }> = async (app, { db }) => {
  app.get(
    '/bookings',
    {
      config: { roles: ['viewer', 'service'] },
      schema: {
        tags,
        operationId: 'listBookings',
        summary: 'List bookings',
        description:
          'In the order of their creation unless `sort` says otherwise. `from` and `to` find stays with a night on or between these days, `arrivalFrom` and `arrivalTo` those that begin then.',
        querystring: Type.Object({
          ...pageQuery,
          connection: Type.Optional(Type.String()),
          unitId: Type.Optional(Type.String()),
          externalId: Type.Optional(Type.String()),
          status: Type.Optional(severalOf(['confirmed', 'pending', 'cancelled', 'inquiry'])),
          from: Type.Optional(Day),
          to: Type.Optional(Day),
          arrivalFrom: Type.Optional(Day),
          arrivalTo: Type.Optional(Day),
          confirmationCode: Type.Optional(Type.String({ maxLength: 200 })),
          q: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 200,
              description: 'A part of the guest’s name or e-mail address, of the code or an id; any case.',
            }),
          ),
          updatedAfter: Type.Optional(Instant),
          sort: Type.Optional(
            Type.Enum([...bookingSorts], { description: 'With `-`: the last first. Default `createdAt`.' }),
          ),
        }),
        response: { 200: pageOf(BookingDetail) },
      },
    },
    async (request) => {
      const { connection, updatedAfter, limit, cursor, status, ...filter } = request.query
      if (connection !== undefined && !isUuid(connection)) return { data: [], nextCursor: null }
      const wanted = {
        ...filter,
        tenantId: tenantScope(request),
        connectionId: connection,
        updatedAfter: updatedAfter === undefined ? undefined : new Date(updatedAfter),
        statuses: chosenOf<BookingStatus>(status),
        after: cursor,
        limit,
      }
      return atOneMoment(async (trx) => {
        const rows = await listBookings(trx, wanted)
        const show = await withPushes(trx, rows.slice(0, limit))
        return toPage(rows, limit, (row) => bookingPosition(row, filter.sort), show)
      })
    },
  )

  app.get(
    '/bookings/:id',
    {
      config: { roles: ['viewer', 'service'] },
      schema: {
        tags,
        operationId: 'getBooking',
        summary: 'Show a booking with its timeline',
        params: Type.Object({ id: idOf('booking') }),
        response: {
          200: Type.Object(
            { ...BookingDetail.properties, timeline: Type.Array(TimelineEntry) },
            { title: 'BookingWithTimeline' },
          ),
        },
      },
    },
    async (request) => {
      const { id } = request.params
      const tenantId = tenantScope(request)
      const { booking, show } = await atOneMoment(async (trx) => {
        const found = isUuid(id) ? await findBooking(trx, id, tenantId) : undefined
        if (found === undefined) throw notFound('The booking')
        return { booking: found, show: await withPushes(trx, [found]) }
      })
      const timeline = await timelineOf(db, booking)
      return {
        ...show(booking),
        timeline: timeline.map((entry) => ({ ...entry, at: entry.at.toISOString() })),
      }
    },
  )

  // Read one after the other, a booking could still lack what the channel answered to a push that shows as done.
  function atOneMoment<Result>(read: (trx: Transaction<Database>) => Promise<Result>): Promise<Result> {
    return db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(read)
  }

  async function withPushes(
    trx: Transaction<Database>,
    rows: BookingWithTenant[],
  ): Promise<(row: BookingWithTenant) => BookingDetail> {
    const desired = rows.filter((row) => row.desired !== null)
    const pushes = await findPushes(
      trx,
      desired.map(({ id }) => id),
    )
    return (row) =>
      toBookingDetail(
        row,
        pushes.find((push) => push.booking_id === row.id),
      )
  }
}
