import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { JsonValue } from './json-text.ts'
import { phpJson } from './json-text.ts'
import { InvalidInput, NotFound } from './refusals.ts'
import { bodyObject, idFromPath, queryTexts, wholeNumber } from './request-reading.ts'
import type { ReleaseOrder } from './webhook-delivery.ts'
import type { World } from './world.ts'

const longestWaitMs = 60_000

/** Every delivery attempt, and ways to repeat, hold back and reorder deliveries. */
export function addControlDeliveryRoutes(app: FastifyInstance, world: World): void {
  const accountIn = (request: FastifyRequest) => world.accounts.get(idFromPath(request, 'id'))

  app.get('/deliveries', async (request) => {
    const query = queryTexts(request)
    const accountId = wholeNumber(query, 'accountId')
    const afterId = wholeNumber(query, 'afterId')
    return world.courier.find(
      (delivery) =>
        (accountId === undefined || delivery.accountId === accountId) &&
        (afterId === undefined || delivery.id > afterId) &&
        (query.event === undefined || delivery.event === query.event) &&
        (query.state === undefined || delivery.state === query.state) &&
        (query.objectId === undefined || String(delivery.objectId) === query.objectId),
    )
  })

  app.get('/deliveries/pending', async (request) => {
    const waitMs = Math.min(longestWaitMs, wholeNumber(queryTexts(request), 'waitMs') ?? 0)
    if (waitMs > 0) await world.courier.whenIdle(waitMs)
    return { pending: world.courier.pendingCount() }
  })

  app.post('/deliveries/:id/again', async (request, reply) => {
    const id = idFromPath(request, 'id')
    const [delivery] = world.courier.find((candidate) => candidate.id === id)
    if (!delivery) throw new NotFound('There is no such delivery')
    const times = Number(bodyObject(request).times ?? 1)
    if (!Number.isInteger(times) || times < 1 || times > 1_000) {
      throw new InvalidInput('times must be a whole number from 1 to 1000')
    }
    const repeats = Array.from({ length: times }, () => world.courier.repeat(delivery))
    return reply.code(201).send(repeats.filter((repeat) => repeat !== undefined))
  })

  app.post('/accounts/:id/deliveries/hold', async (request) => {
    world.courier.hold(accountIn(request).accountId)
    return { held: true }
  })

  app.post('/accounts/:id/deliveries/release', async (request) => {
    const order = readOrder(bodyObject(request).order ?? 'given')
    return { released: world.courier.release(accountIn(request).accountId, order) }
  })

  app.post('/accounts/:id/events', async (request, reply) => {
    const account = accountIn(request)
    const { body, event, object, objectId, listingMapId } = bodyObject(request)
    if (body === undefined) throw new InvalidInput('body is missing')
    const made = world.courier.announceToAll(account, {
      event: typeof event === 'string' ? event : 'custom',
      object: typeof object === 'string' ? object : null,
      objectId: typeof objectId === 'number' ? objectId : null,
      listingMapId: typeof listingMapId === 'number' ? listingMapId : null,
      body: typeof body === 'string' ? body : phpJson(body),
    })
    return reply.code(201).send(made)
  })
}

function readOrder(order: JsonValue): ReleaseOrder {
  if (order === 'given' || order === 'reversed' || order === 'shuffled') return order
  if (Array.isArray(order) && order.every((id) => typeof id === 'number')) return order
  throw new InvalidInput('order must be given, reversed, shuffled or a list of delivery ids')
}
