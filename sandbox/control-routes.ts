import type { FastifyInstance } from 'fastify'
import { addControlAccountRoutes } from './control-account-routes.ts'
import { addControlDeliveryRoutes } from './control-delivery-routes.ts'
import { addControlGuestRoutes } from './control-guest-routes.ts'
import { addControlJournalRoutes } from './control-journal-routes.ts'
import { Contradiction, InvalidInput, NotFound } from './refusals.ts'
import { acceptBodies } from './request-reading.ts'
import type { World } from './world.ts'

/** `/control`: what a test or a demo does from outside Hostaway. No token, no limits, no faults, not in the journal. */
export function addControlRoutes(app: FastifyInstance, world: World): void {
  acceptBodies(app)
  addControlAccountRoutes(app, world)
  addControlGuestRoutes(app, world)
  addControlDeliveryRoutes(app, world)
  addControlJournalRoutes(app, world)
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'There is no such route' }))
  app.setErrorHandler((error, _request, reply) => {
    const message = error instanceof Error ? error.message : String(error)
    return reply.code(statusFor(error)).send({ error: message })
  })
}

function statusFor(error: unknown): number {
  if (error instanceof NotFound) return 404
  if (error instanceof InvalidInput) return 422
  return error instanceof Contradiction ? 409 : 500
}
