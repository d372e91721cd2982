import type { FastifyInstance } from 'fastify'
import type { FaultRequest } from './fault-injection.ts'
import { faultKinds, malformations } from './fault-injection.ts'
import type { JsonObject } from './json-text.ts'
import { InvalidInput } from './refusals.ts'
import { bodyObject, idFromPath, isSet, queryTexts, wholeNumber } from './request-reading.ts'
import type { World } from './world.ts'
import { resetWorld, useRateLimitProfile } from './world.ts'

/** Faults, switches, rate limits, the journal of calls, and the reset. */
export function addControlJournalRoutes(app: FastifyInstance, world: World): void {
  app.get('/calls', async (request) => {
    const query = queryTexts(request)
    return world.journal.find({
      accountId: wholeNumber(query, 'accountId'),
      method: query.method,
      path: query.path,
      status: wholeNumber(query, 'status'),
      afterSequence: wholeNumber(query, 'afterSequence'),
      limit: wholeNumber(query, 'limit'),
    })
  })

  app.delete('/calls', async (_request, reply) => {
    world.journal.clear()
    return reply.code(204).send()
  })

  app.get('/rate-limits', async () => ({
    profile: world.switches.rateLimitProfile,
    refused: world.limits.refused,
    windows: world.limits.report(Date.now()),
  }))

  app.get('/faults', async () => world.faults.list())

  app.post('/faults', async (request, reply) => {
    const fault = world.faults.add(readFault(bodyObject(request)))
    world.log('fault added', { id: fault.id, kind: fault.kind })
    return reply.code(201).send(fault)
  })

  app.delete('/faults', async (_request, reply) => {
    world.faults.clear()
    return reply.code(204).send()
  })

  app.delete('/faults/:id', async (request, reply) => {
    world.faults.clear(idFromPath(request, 'id'))
    return reply.code(204).send()
  })

  app.get('/switches', async () => world.switches)

  app.patch('/switches', async (request) => {
    changeSwitches(world, bodyObject(request))
    return world.switches
  })

  app.post('/reset', async (_request, reply) => {
    resetWorld(world)
    return reply.code(204).send()
  })
}

function changeSwitches(world: World, sent: JsonObject): void {
  const {
    rateLimitProfile,
    validationStatus,
    failureText,
    pageInfo,
    withCards,
    extraDeliveries,
    probeWithGet,
    dropsCustomerUserId,
  } = sent
  const { switches } = world
  if (validationStatus !== undefined) {
    if (![200, 400, 422].includes(Number(validationStatus))) {
      throw new InvalidInput('validationStatus must be 200, 400 or 422')
    }
    switches.validationStatus = Number(validationStatus)
  }
  if (failureText !== undefined) {
    if (failureText !== 'result' && failureText !== 'message') {
      throw new InvalidInput('failureText must be result or message')
    }
    switches.failureText = failureText
  }
  if (extraDeliveries !== undefined) {
    if (!Number.isInteger(extraDeliveries) || Number(extraDeliveries) < 0) {
      throw new InvalidInput('extraDeliveries must be a whole number')
    }
    switches.extraDeliveries = Number(extraDeliveries)
  }
  if (pageInfo !== undefined) switches.pageInfo = isSet(pageInfo)
  if (withCards !== undefined) switches.withCards = isSet(withCards)
  if (probeWithGet !== undefined) switches.probeWithGet = isSet(probeWithGet)
  if (dropsCustomerUserId !== undefined) switches.dropsCustomerUserId = isSet(dropsCustomerUserId)
  if (rateLimitProfile !== undefined) useRateLimitProfile(world, String(rateLimitProfile))
}

function readFault(sent: JsonObject): FaultRequest {
  const number = (key: string) => {
    const value = sent[key]
    if (value !== undefined && typeof value !== 'number') throw new InvalidInput(`${key} must be a number`)
    return value
  }
  const text = (key: string) => {
    const value = sent[key]
    if (value !== undefined && typeof value !== 'string') throw new InvalidInput(`${key} must be a text`)
    return value
  }
  const choice = <Value extends string>(key: string, values: readonly Value[]): Value | undefined => {
    const given = text(key)
    const value = values.find((candidate) => candidate === given)
    if (given !== undefined && value === undefined) {
      throw new InvalidInput(`${key} must be one of ${values.join(', ')}`)
    }
    return value
  }
  const kind = choice('kind', faultKinds)
  if (kind === undefined) throw new InvalidInput(`kind must be one of ${faultKinds.join(', ')}`)
  return {
    kind,
    accountId: number('accountId'),
    method: text('method'),
    path: text('path'),
    effect: choice('effect', ['before', 'after']),
    count: number('count'),
    skip: number('skip'),
    latencyMs: number('latencyMs'),
    status: number('status'),
    body: sent.body,
    malformation: choice('malformation', malformations),
    retryAfterSeconds: number('retryAfterSeconds'),
  }
}
