import type { FastifyInstance } from 'fastify'
import { stateOf } from './account-state.ts'
import type { AccountRequest } from './accounts.ts'
import type { JsonValue } from './json-text.ts'
import { isJsonObject } from './json-text.ts'
import type { ListingRequest } from './listing-factory.ts'
import { isDay } from './plain-days.ts'
import { InvalidInput } from './refusals.ts'
import { bodyObject, idFromPath, queryTexts } from './request-reading.ts'
import type { World } from './world.ts'

/** Accounts, their listings, keys and tokens, and their whole state. */
export function addControlAccountRoutes(app: FastifyInstance, world: World): void {
  app.get('/accounts', async () => world.accounts.all().map(({ accountId }) => ({ accountId })))

  app.post('/accounts', async (request, reply) => {
    const account = world.accounts.add(readAccount(bodyObject(request)))
    world.log('account created', { accountId: account.accountId })
    return reply.code(201).send(stateOf(account))
  })

  app.patch('/accounts/:id', async (request) => {
    const account = world.accounts.get(idFromPath(request, 'id'))
    const { apiKey } = bodyObject(request)
    if (typeof apiKey !== 'string' || apiKey === '') throw new InvalidInput('apiKey must be a text')
    account.apiKey = apiKey
    return { accountId: account.accountId }
  })

  app.post('/accounts/:id/listings', async (request, reply) => {
    const account = world.accounts.get(idFromPath(request, 'id'))
    const { body, units } = world.accounts.addListing(account, readListing(bodyObject(request)))
    return reply.code(201).send({ listing: body, units })
  })

  app.get('/accounts/:id/state', async (request) => {
    const { from, to } = queryTexts(request)
    const account = world.accounts.get(idFromPath(request, 'id'))
    if (from === undefined && to === undefined) return stateOf(account)
    if (!isDay(from) || !isDay(to)) throw new InvalidInput('from and to must be days as YYYY-MM-DD')
    return stateOf(account, { from, to })
  })

  app.post('/accounts/:id/tokens/revoke', async (request) => ({
    tokens: world.tokens.revokeAll(world.accounts.get(idFromPath(request, 'id')).accountId),
  }))

  app.post('/accounts/:id/tokens/expire', async (request) => ({
    tokens: world.tokens.expireAll(world.accounts.get(idFromPath(request, 'id')).accountId, Date.now()),
  }))
}

function readAccount(sent: Record<string, JsonValue>): AccountRequest {
  const { accountId, apiKey, listings = [] } = sent
  if (typeof accountId !== 'number' || typeof apiKey !== 'string') {
    throw new InvalidInput('accountId must be a number and apiKey a text')
  }
  if (!Array.isArray(listings)) throw new InvalidInput('listings must be an array')
  return { accountId, apiKey, listings: listings.map(readListing) }
}

function readListing(sent: JsonValue): ListingRequest {
  if (!isJsonObject(sent) || typeof sent.name !== 'string') throw new InvalidInput('A listing needs a name')
  const text = (key: string) => {
    const value = sent[key]
    if (value !== undefined && typeof value !== 'string') throw new InvalidInput(`${key} must be a text`)
    return value
  }
  const number = (key: string) => {
    const value = sent[key]
    if (value !== undefined && typeof value !== 'number') throw new InvalidInput(`${key} must be a number`)
    return value
  }
  if (sent.fields !== undefined && !isJsonObject(sent.fields))
    throw new InvalidInput('fields must be an object')
  return {
    name: sent.name,
    id: number('id'),
    price: number('price'),
    units: number('units'),
    currencyCode: text('currencyCode'),
    timeZoneName: text('timeZoneName'),
    city: text('city'),
    country: text('country'),
    countryCode: text('countryCode'),
    fields: sent.fields,
  }
}
