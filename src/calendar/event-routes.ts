import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import { Type } from 'typebox'
import type { Database } from '../platform/db/tables.ts'
import { keyHeader, onceByKey } from '../platform/http/once-by-key.ts'
import { Problem } from '../platform/http/problems.ts'
import { bodyViolations } from '../platform/http/violations.ts'
import type { JobQueues } from '../platform/queue/queues.ts'
import { requireTenant } from '../tenants/require-tenant.ts'
import { checkEvents } from './check-events.ts'
import { lockTargetListings, writeDesired } from './desired-store.ts'
import { EventsBody, maxEvents, readDesiredEvents } from './read-events.ts'
import { signalConnections } from './sweep-pushes.ts'

const scope = 'events'
const cloudEvents = ['application/cloudevents+json', 'application/cloudevents-batch+json']

export type EventRouteOptions = { db: Kysely<Database>; queues: JobQueues; settleMs: number }

/** Desired values of TVL services: availability, prices and details of listings. */
export const eventRoutes: FastifyPluginAsyncTypebox<EventRouteOptions> = async (
  app,
  { db, queues, settleMs },
) => {
  app.post(
    '/events',
    {
      config: { roles: ['manager', 'service'] },
      schema: {
        tags: ['TVL to the channel'],
        operationId: 'postEvents',
        summary: 'Set what TVL desires of the channel',
        description: `One event or up to ${maxEvents}, plain or as CloudEvents 1.0 (unitId and what follows in \`data\`); all or nothing. A field left out stays the channel’s and is never pushed. Where ranges overlap, the later one wins. 202 = the desired values are stored.`,
        querystring: Type.Object({ tenant: Type.Optional(Type.String()) }),
        headers: keyHeader,
        consumes: ['application/json', ...cloudEvents],
        body: EventsBody,
        response: { 202: Type.Object({ accepted: Type.Integer() }) },
      },
      // The listings' own limits add to the violations.
      attachValidation: true,
    },
    async (request, reply) => {
      const wrong = bodyViolations(request)
      const tenant = await requireTenant(db, request, request.query.tenant)
      const { events, problems } = readDesiredEvents(request.body, wrong)
      const unitIds = [...new Set(events.map(({ unitId }) => unitId))]
      const connectionIds = new Set<string>()
      const answer = await onceByKey(db, request, { tenantId: tenant.id, scope }, async (trx) => {
        const listings = await lockTargetListings(trx, { tenantId: tenant.id, unitIds })
        const checked = checkEvents(events, listings, new Date())
        const found = [...wrong, ...problems, ...checked.problems]
        if (found.length > 0) {
          throw new Problem(422, 'VALIDATION_FAILED', 'Nothing was stored: some entries are not valid', found)
        }
        for (const { connectionId } of listings) connectionIds.add(connectionId)
        await writeDesired(trx, checked.desired, settleMs)
        return { accepted: events.length }
      })
      await signalConnections(db, queues, [...connectionIds])
      return reply.code(202).send(answer)
    },
  )
}
