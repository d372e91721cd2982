import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Account } from './accounts.ts'
import { listingOf } from './accounts.ts'
import { addMessage } from './guest-messages.ts'
import { changeTask, createTask } from './housekeeping-tasks.ts'
import type { JsonObject } from './json-text.ts'
import { makeHistory } from './made-up-history.ts'
import { findStay, makeRandomBookings } from './random-bookings.ts'
import { InvalidInput } from './refusals.ts'
import { bodyObject, idFromPath, isSet } from './request-reading.ts'
import type { ChangeOptions } from './reservation-changes.ts'
import { book, cancel, change, removeReservation } from './reservation-changes.ts'
import type { World } from './world.ts'

const optionKeys = ['silent', 'force', 'keepUpdatedOn', 'withCard'] as const

/** What guests and hosts do outside the API: book, change, cancel, write. */
export function addControlGuestRoutes(app: FastifyInstance, world: World): void {
  const accountIn = (request: FastifyRequest) => world.accounts.get(idFromPath(request, 'id'))

  app.post('/accounts/:id/reservations', async (request, reply) => {
    const account = accountIn(request)
    const { options, fields } = splitOptions(bodyObject(request))
    const booking = readBooking(world, account, fields)
    const { withCard, ...changeOptions } = options
    const { body } = book(world, account, { ...booking, withCard }, booking.fields, changeOptions)
    return reply.code(201).send(body)
  })

  app.post('/accounts/:id/random-bookings', async (request, reply) => {
    const { count, seed, statuses, silent } = bodyObject(request)
    if (statuses !== undefined && !Array.isArray(statuses))
      throw new InvalidInput('statuses must be an array')
    const made = makeRandomBookings(world, accountIn(request), {
      count: Number(count),
      seed: seed === undefined ? undefined : String(seed),
      statuses: statuses?.map(String),
      silent: isSet(silent),
    })
    return reply.code(201).send(made.map(({ body }) => body))
  })

  app.post('/accounts/:id/history', async (request, reply) => {
    const { count, seed, days } = bodyObject(request)
    const made = makeHistory(world, accountIn(request), {
      count: Number(count),
      seed: seed === undefined ? undefined : String(seed),
      days: days === undefined ? undefined : Number(days),
    })
    return reply.code(201).send(made)
  })

  app.patch('/accounts/:id/reservations/:reservationId', async (request) => {
    const { options, fields } = splitOptions(bodyObject(request))
    const id = idFromPath(request, 'reservationId')
    return change(world, accountIn(request), id, fields, { force: true, ...options, by: 'guest' }).body
  })

  app.post('/accounts/:id/reservations/:reservationId/cancel', async (request) => {
    const { options, fields } = splitOptions(bodyObject(request))
    const cancelledBy = fields.cancelledBy === 'host' ? 'host' : 'guest'
    const id = idFromPath(request, 'reservationId')
    return cancel(world, accountIn(request), id, cancelledBy, options).body
  })

  app.post('/accounts/:id/reservations/:reservationId/resurrect', async (request) => {
    const { options, fields } = splitOptions(bodyObject(request))
    const revived = { status: 'modified', cancelledBy: null, cancellationDate: null, ...fields }
    const id = idFromPath(request, 'reservationId')
    return change(world, accountIn(request), id, revived, { ...options, by: 'guest' }).body
  })

  app.delete('/accounts/:id/reservations/:reservationId', async (request, reply) => {
    removeReservation(accountIn(request), idFromPath(request, 'reservationId'))
    return reply.code(204).send()
  })

  app.post('/accounts/:id/reservations/:reservationId/messages', async (request, reply) => {
    const { body = 'Hello, at what time can we check in?', isIncoming = true } = bodyObject(request)
    const message = addMessage(world, accountIn(request), {
      reservationId: idFromPath(request, 'reservationId'),
      body: String(body),
      isIncoming: isSet(isIncoming),
    })
    return reply.code(201).send(message)
  })

  app.post('/accounts/:id/tasks', async (request, reply) =>
    reply.code(201).send(createTask(world, accountIn(request), bodyObject(request))),
  )

  app.patch('/accounts/:id/tasks/:taskId', async (request) =>
    changeTask(world, accountIn(request), idFromPath(request, 'taskId'), bodyObject(request)),
  )
}

function splitOptions(sent: JsonObject): {
  options: ChangeOptions & { withCard?: boolean }
  fields: JsonObject
} {
  const fields = { ...sent }
  const options: ChangeOptions & { withCard?: boolean } = {}
  for (const key of optionKeys) {
    if (key in fields) options[key] = isSet(fields[key])
    delete fields[key]
  }
  return { options, fields }
}

function readBooking(world: World, account: Account, sent: JsonObject) {
  const { listingMapId, arrivalDate, departureDate, channelId, ...fields } = sent
  const anyListing = account.listings.keys().next().value
  const listingId = typeof listingMapId === 'number' ? listingMapId : anyListing
  if (listingId === undefined) throw new InvalidInput('The account has no listing')
  const stay =
    arrivalDate === undefined && departureDate === undefined
      ? findStay(world, listingOf(account, listingId), world.random)
      : { arrivalDate: String(arrivalDate), departureDate: String(departureDate) }
  return {
    listingId,
    stay,
    channelId: typeof channelId === 'number' ? channelId : 2018,
    fields,
  }
}
