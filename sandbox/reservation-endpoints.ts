import type { FastifyInstance, FastifyReply } from 'fastify'
import { reservationOf, writableListingOf } from './accounts.ts'
import { accountOf } from './api-pipeline.ts'
import { bookingcomChannel, channelsOpenToApi } from './booking-channels.ts'
import { succeed, succeedWithList } from './hostaway-answers.ts'
import type { JsonObject } from './json-text.ts'
import { datetimeText } from './plain-days.ts'
import { InvalidInput } from './refusals.ts'
import { bodyObject, idFromPath, isSet, queryTexts } from './request-reading.ts'
import { book, cancel, change, removeReservation } from './reservation-changes.ts'
import type { StoredReservation } from './reservation-factory.ts'
import { searchReservations } from './reservation-search.ts'
import { viewReservation } from './reservation-view.ts'
import type { World } from './world.ts'

const notWritable = new Set([
  'id',
  'accountId',
  'listingMapId',
  'listingName',
  'channelId',
  'channelName',
  'reservationId',
  'hostawayReservationId',
  'channelReservationId',
  'nights',
  'insertedOn',
  'updatedOn',
  'latestActivityOn',
  'reservationDate',
  'previousArrivalDate',
  'previousDepartureDate',
  'currency',
  'isPaid',
  'paymentStatus',
  'reservationUnit',
  'ccName',
  'ccNumber',
  'ccNumberEndingDigits',
  'ccExpirationYear',
  'ccExpirationMonth',
  'cvc',
])

/** `/reservations` of the API. */
export function addReservationEndpoints(app: FastifyInstance, world: World): void {
  const show = (reply: FastifyReply, { body }: StoredReservation, query: Record<string, string>) =>
    succeed(
      reply,
      viewReservation(body, {
        includeResources: isSet(query.includeResources),
        includeCancellationPolicy: true,
        includePayments: isSet(query.includePayments),
      }),
    )

  app.get('/reservations', async (request, reply) =>
    succeedWithList(world, reply, searchReservations(accountOf(request), queryTexts(request))),
  )

  app.get('/reservations/:id', async (request, reply) =>
    show(reply, reservationOf(accountOf(request), idFromPath(request, 'id')), queryTexts(request)),
  )

  app.post('/reservations', async (request, reply) => {
    const account = accountOf(request)
    const sent = bodyObject(request)
    const query = queryTexts(request)
    const { listingMapId, channelId, arrivalDate, departureDate } = sent
    if (typeof listingMapId !== 'number' || !account.listings.has(listingMapId)) {
      throw new InvalidInput('listingMapId must name a listing')
    }
    if (typeof channelId !== 'number' || !channelsOpenToApi.includes(channelId)) {
      throw new InvalidInput(`channelId must be one of ${channelsOpenToApi.join(', ')}`)
    }
    writableListingOf(account, listingMapId)
    const fields = writableFields(sent)
    if (world.switches.dropsCustomerUserId) delete fields.customerUserId
    if (query.provider !== undefined) fields.source = query.provider.slice(0, 50)
    const made = book(
      world,
      account,
      {
        listingId: listingMapId,
        stay: { arrivalDate: String(arrivalDate), departureDate: String(departureDate) },
        channelId,
        withCard: false,
      },
      { ...blankGuest, ...fields },
      { force: isSet(query.forceOverbooking) },
    )
    return show(reply, made, query)
  })

  app.put('/reservations/:id', async (request, reply) => {
    const account = accountOf(request)
    const id = idFromPath(request, 'id')
    const sent = bodyObject(request)
    const { body } = reservationOf(account, id)
    if (sent.listingMapId !== undefined && sent.listingMapId !== body.listingMapId) {
      throw new InvalidInput('listingMapId can not be changed')
    }
    const query = queryTexts(request)
    const changed = change(world, account, id, writableFields(sent), {
      by: 'host',
      force: isSet(query.forceOverbooking),
    })
    return show(reply, changed, query)
  })

  app.put('/reservations/:id/statuses/cancelled', async (request, reply) => {
    const { cancelledBy = 'host' } = bodyObject(request)
    if (cancelledBy !== 'host' && cancelledBy !== 'guest') {
      throw new InvalidInput('cancelledBy must be host or guest')
    }
    const id = idFromPath(request, 'id')
    return show(reply, cancel(world, accountOf(request), id, cancelledBy), queryTexts(request))
  })

  app.put('/reservations/:id/statuses/noShow', async (request, reply) => {
    const account = accountOf(request)
    const id = idFromPath(request, 'id')
    if (reservationOf(account, id).body.channelId !== bookingcomChannel) {
      throw new InvalidInput('A no-show can be reported for Booking.com only')
    }
    const fields = {
      bookingcomNoShowReportedAt: datetimeText(Date.now()),
      bookingcomNoShowFeeWaived: isSet(bodyObject(request).waivedFees),
    }
    return show(reply, change(world, account, id, fields, { by: 'guest' }), queryTexts(request))
  })

  app.delete('/reservations/:id', async (request, reply) => {
    removeReservation(accountOf(request), idFromPath(request, 'id'))
    return succeed(reply, [])
  })
}

// No made-up guest for a reservation that comes through the API.
const blankGuest = {
  guestName: null,
  guestFirstName: null,
  guestLastName: null,
  guestEmail: null,
  phone: null,
  guestCity: null,
  guestCountry: null,
  guestLocale: null,
}

function writableFields(sent: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(sent).filter(([key]) => !notWritable.has(key)))
}
