import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import type { Kysely, Transaction } from 'kysely'
import { type Static, Type } from 'typebox'
import type { Channels } from '../../channels/contract/channel.ts'
import { type Connection, findConnection } from '../../connections/connection-store.ts'
import { findListings, listListingsOfUnit } from '../../listings/listing-store.ts'
import type { Database, ListingRow } from '../../platform/db/tables.ts'
import { tenantScope } from '../../platform/http/api-auth.ts'
import { idOf } from '../../platform/http/fields.ts'
import { keyHeader, onceByKey } from '../../platform/http/once-by-key.ts'
import { isUuid } from '../../platform/http/paging.ts'
import { notFound, Problem } from '../../platform/http/problems.ts'
import { bodyViolations, soundFields, type WrongField } from '../../platform/http/violations.ts'
import type { JobQueues } from '../../platform/queue/queues.ts'
import { requireTenant } from '../../tenants/require-tenant.ts'
import { type BookingWithTenant, findBooking } from '../booking-store.ts'
import { BookingDetail, toBookingDetail } from '../booking-view.ts'
import type { DesiredBooking } from '../desired-booking.ts'
import { cancelBooking, changeBooking } from './change-booking.ts'
import { checkBooking, toDesired } from './check-booking.ts'
import { makeBooking, type NewBooking } from './make-booking.ts'
import { signalBookings } from './push-bookings.ts'
import { findPushes } from './push-store.ts'
import { BookingChangeBody, NewBookingBody, toSentBooking } from './read-booking.ts'

const tags = ['TVL to the channel']
const Params = Type.Object({ id: idOf('booking') })
const scope = 'bookings'

export type BookingWriteRouteOptions = { db: Kysely<Database>; channels: Channels; queues: JobQueues }

/** Bookings that are made, changed and cancelled here, and pushed to the channel. */
export const bookingWriteRoutes: FastifyPluginAsyncTypebox<BookingWriteRouteOptions> = async (
  app,
  { db, channels, queues },
) => {
  app.post(
    '/bookings',
    {
      config: { roles: ['manager', 'service'], refusals: { 409: ['UNIT_NOT_AVAILABLE'] } },
      schema: {
        tags,
        operationId: 'makeBooking',
        summary: 'Make a booking',
        description:
          '201 = it is stored and its nights are blocked; it is pushed to the channel next, and `push` shows the state of that. 409 `UNIT_NOT_AVAILABLE` where a night is booked beyond the unit’s rooms or closed. A repeated `Idempotency-Key` gets the answer of the first request.',
        querystring: Type.Object({ tenant: Type.Optional(Type.String()) }),
        headers: keyHeader,
        body: NewBookingBody,
        response: { 201: BookingDetail },
      },
      // The listing's own limits add to the violations.
      attachValidation: true,
    },
    async (request, reply) => {
      const wrong = bodyViolations(request)
      const tenant = await requireTenant(db, request, request.query.tenant)
      const answer = await onceByKey(db, request, reply, { tenantId: tenant.id, scope }, async (trx) => {
        const bookable = await readBookable(trx, channels, tenant.id, { body: request.body, wrong })
        return show(trx, await makeBooking(trx, bookable))
      })
      await signalBookings(db, queues, [answer.connectionId])
      return reply.code(201).header('location', `/v1/bookings/${answer.id}`).send(answer)
    },
  )

  app.patch(
    '/bookings/:id',
    {
      config: {
        roles: ['manager', 'service'],
        refusals: {
          409: [
            'BOOKING_CANCELLED',
            'BOOKING_NOT_CHANGEABLE',
            'CONNECTION_DISCONNECTED',
            'UNIT_NOT_AVAILABLE',
          ],
        },
      },
      schema: {
        tags,
        operationId: 'changeBooking',
        summary: 'Change a booking',
        description:
          'What is left out stays as it is; the later change wins, field by field. The change is pushed to the channel next. New nights are blocked at once, and old ones stay blocked until the channel has released them. Of a booking that came from a travel agency only the `note` can be changed (409 `BOOKING_NOT_CHANGEABLE`).',
        params: Params,
        body: BookingChangeBody,
        response: { 200: BookingDetail },
      },
      attachValidation: true,
    },
    async (request) => {
      const { booking, connection, listing } = await requireBooking(request, request.params.id)
      const wrong = bodyViolations(request)
      const sent = toSentBooking(soundFields(request.body, wrong))
      const current = { checkIn: booking.check_in, checkOut: booking.check_out }
      refuse([...wrong, ...checkBooking(sent, listing, new Date(), current)], 'Nothing was changed')
      const desired = withGuestCount(toDesired(sent), booking)
      await changeBooking(
        db,
        { connection, channel: channels.of(connection.channel), booking, listing },
        desired,
      )
      await signalBookings(db, queues, [connection.id])
      return showAgain(booking)
    },
  )

  app.post(
    '/bookings/:id/cancel',
    {
      config: {
        roles: ['manager', 'service'],
        refusals: { 409: ['BOOKING_NOT_CHANGEABLE', 'CONNECTION_DISCONNECTED'] },
      },
      schema: {
        tags,
        operationId: 'cancelBooking',
        summary: 'Cancel a booking',
        description:
          'On behalf of the host; safe to repeat. It is pushed to the channel next, and the nights are free once the channel has released them. A booking that came from a travel agency is cancelled there (409 `BOOKING_NOT_CHANGEABLE`).',
        params: Params,
        response: { 200: BookingDetail },
      },
    },
    async (request) => {
      const { booking, connection } = await requireBooking(request, request.params.id)
      await cancelBooking(db, { connection, channel: channels.of(connection.channel), booking })
      await signalBookings(db, queues, [connection.id])
      return showAgain(booking)
    },
  )

  async function requireBooking(
    request: FastifyRequest,
    id: string,
  ): Promise<{ booking: BookingWithTenant; connection: Connection; listing: ListingRow }> {
    const booking = isUuid(id) ? await findBooking(db, id, tenantScope(request)) : undefined
    if (booking === undefined) throw notFound('The booking')
    const { connection_id: connectionId, listing_id: listingId } = booking
    const connection = await findConnection(db, connectionId)
    const [listing] = await findListings(db, [{ connectionId, listingId }])
    if (connection === undefined || listing === undefined)
      throw new Error('A booking has no connection or no listing')
    if (connection.status === 'disconnected') {
      throw new Problem(
        409,
        'CONNECTION_DISCONNECTED',
        'Nothing can be pushed: the connection is disconnected',
      )
    }
    return { booking, connection, listing }
  }

  async function show(executor: Kysely<Database>, booking: BookingWithTenant): Promise<BookingDetail> {
    const [push] = await findPushes(executor, [booking.id])
    return toBookingDetail(booking, push)
  }

  async function showAgain({ id, tenant_id: tenantId }: BookingWithTenant): Promise<BookingDetail> {
    const booking = await findBooking(db, id, tenantId)
    if (booking === undefined) throw notFound('The booking')
    return show(db, booking)
  }
}

// Refuses everything that is wrong at once: what validation found, and what the unit's listing does not allow.
async function readBookable(
  trx: Transaction<Database>,
  channels: Channels,
  tenantId: string,
  { body, wrong }: { body: Static<typeof NewBookingBody>; wrong: WrongField[] },
): Promise<NewBooking> {
  const sound = soundFields(body, wrong)
  const unitId = sound.unitId?.trim()
  const bookable = unitId === undefined ? undefined : await findBookable(trx, tenantId, unitId)
  const unknown =
    unitId !== undefined && bookable === undefined
      ? [{ field: 'unitId', message: `unit ${unitId} is not known` }]
      : []
  const listing = bookable?.listing ?? { currency: null, time_zone: null }
  const sent = toSentBooking(sound)
  refuse([...wrong, ...unknown, ...checkBooking(sent, listing, new Date())], 'Nothing was stored')
  const { checkIn, checkOut } = sent
  if (bookable === undefined || checkIn === undefined || checkOut === undefined)
    throw new Error('A booking was checked and is not complete')
  const { format } = channels.of(bookable.connection.channel)
  return { ...bookable, format, checkIn, checkOut, desired: withGuestCount(toDesired(sent)) }
}

async function findBookable(
  trx: Transaction<Database>,
  tenantId: string,
  unitId: string,
): Promise<Pick<NewBooking, 'unitId' | 'listing' | 'connection'> | undefined> {
  for (const listing of await listListingsOfUnit(trx, { tenantId, unitId })) {
    const connection = await findConnection(trx, listing.connection_id)
    if (connection !== undefined && connection.status !== 'disconnected')
      return { unitId, listing, connection }
  }
  return undefined
}

// The channel takes the number of guests as one figure beside the others.
function withGuestCount(
  desired: DesiredBooking,
  current: { guests_adults: number | null; guests_children: number | null } = {
    guests_adults: null,
    guests_children: null,
  },
): DesiredBooking {
  const { guestsTotal, guestsAdults, guestsChildren } = desired
  if (guestsTotal !== undefined || (guestsAdults ?? guestsChildren) === undefined) return desired
  const adults = guestsAdults ?? current.guests_adults ?? 0
  const children = guestsChildren ?? current.guests_children ?? 0
  return adults + children === 0 ? desired : { ...desired, guestsTotal: adults + children }
}

function refuse(problems: WrongField[], consequence: string): void {
  if (problems.length === 0) return
  throw new Problem(422, 'VALIDATION_FAILED', `${consequence}: the booking is not valid`, problems)
}
