import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import { type Static, Type } from 'typebox'
import { addDays } from '../platform/days.ts'
import type { Database } from '../platform/db/tables.ts'
import { tenantScope } from '../platform/http/api-auth.ts'
import { idOf } from '../platform/http/fields.ts'
import { keyHeader, onceByKey } from '../platform/http/once-by-key.ts'
import { cursorId, isUuid, pageOf, pageQuery, toPage } from '../platform/http/paging.ts'
import { notFound, Problem } from '../platform/http/problems.ts'
import { bodyViolations, type WrongField } from '../platform/http/violations.ts'
import type { JobQueues } from '../platform/queue/queues.ts'
import { requireTenant } from '../tenants/require-tenant.ts'
import { checkEvents } from './check-events.ts'
import {
  type DesiredEventRow,
  findDesiredEvent,
  keepEvents,
  listDesiredEvents,
  type NightOutcome,
  outcomeOf,
} from './desired-event-store.ts'
import { lockTargetListings, writeDesired } from './desired-store.ts'
import { EventsBody, maxEvents, readDesiredEvents, withoutBinaryMode } from './read-events.ts'
import { signalConnections } from './sweep-pushes.ts'

const tags = ['TVL to the channel']
const scope = 'events'
const nullableText = Type.Union([Type.String(), Type.Null()])

const SentEventView = Type.Object(
  {
    id: Type.String(),
    type: Type.String(),
    unitId: Type.String(),
    receivedAt: Type.String(),
    source: nullableText,
    eventId: Type.Union([Type.String(), Type.Null()], { description: 'The id that its source gave it.' }),
    by: Type.Object(
      { id: nullableText, name: Type.String(), role: Type.String() },
      { description: 'The token that sent it.' },
    ),
    requestId: Type.String(),
  },
  { title: 'SentEvent' },
)
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
      config: {
        roles: ['manager', 'service'],
        isHeavy: true,
        refusals: { 422: ['EVENT_ID_REUSED', 'EVENT_NOT_APPLICABLE'] },
      },
      schema: {
        tags,
        operationId: 'postEvents',
        summary: 'Set what TVL desires of the channel',
        description: `One event or up to ${maxEvents}, plain or as CloudEvents 1.0 (unitId and what follows in \`data\`) in the structured, batched or binary mode; all or nothing. A field left out stays the channel’s and is never pushed. Where ranges overlap, the later one wins. 202 = the desired values are stored. A CloudEvent whose \`source\` and \`id\` came before is not new; with other content it is 422 \`EVENT_ID_REUSED\`. 422 \`EVENT_NOT_APPLICABLE\` where no listing takes what is desired.`,
        querystring: Type.Object({ tenant: Type.Optional(Type.String()) }),
        headers: keyHeader,
        consumes: ['application/json', ...cloudEvents],
        body: EventsBody,
        response: {
          202: Type.Object({
            accepted: Type.Integer(),
            ids: Type.Array(Type.String(), {
              description: 'Of the events, in their order; see getDesiredEvent.',
            }),
          }),
        },
      },
      // The listings' own limits add to the violations.
      attachValidation: true,
      preValidation: async (request) => {
        request.body = withoutBinaryMode(request.headers, request.body) as typeof request.body
      },
    },
    async (request, reply) => {
      const wrong = bodyViolations(request)
      const tenant = await requireTenant(db, request, request.query.tenant)
      const { events: sent, problems } = readDesiredEvents(request.body, wrong)
      const unitIds = [...new Set(sent.map(({ event }) => event.unitId))]
      const connectionIds = new Set<string>()
      const answer = await onceByKey(db, request, reply, { tenantId: tenant.id, scope }, async (trx) => {
        const listings = await lockTargetListings(trx, { tenantId: tenant.id, unitIds })
        const inapplicable = checkEvents(
          sent.map(({ event }) => event),
          listings,
          new Date(),
        ).problems
        refuse(wrong.length + problems.length > 0 ? 'VALIDATION_FAILED' : 'EVENT_NOT_APPLICABLE', [
          ...wrong,
          ...problems,
          ...inapplicable,
        ])
        const sender = { caller: request.caller, requestId: request.id }
        const kept = await keepEvents(trx, tenant.id, sent, sender)
        refuse('EVENT_ID_REUSED', kept.problems)
        const { desired } = checkEvents(kept.fresh, listings, new Date())
        for (const { listing } of desired) connectionIds.add(listing.connectionId)
        await writeDesired(trx, desired, { settleMs, batchId: kept.batchId })
        return { accepted: sent.length, ids: kept.ids }
      })
      await signalConnections(db, queues, [...connectionIds])
      return reply.code(202).send(answer)
    },
  )

  app.get(
    '/events',
    {
      config: { roles: ['viewer', 'service'] },
      schema: {
        tags,
        operationId: 'listDesiredEvents',
        summary: 'List the events that said what is desired, newest first',
        querystring: Type.Object({ ...pageQuery, unitId: Type.Optional(Type.String()) }),
        response: { 200: pageOf(SentEventView) },
      },
    },
    async (request) => {
      const { limit, cursor, unitId } = request.query
      const scope = { tenantId: tenantScope(request), unitId, limit, after: cursorId(cursor) }
      return toPage(await listDesiredEvents(db, scope), limit, ({ id }) => id, toView)
    },
  )

  app.get(
    '/events/:id',
    {
      config: { roles: ['viewer', 'service'] },
      schema: {
        tags,
        operationId: 'getDesiredEvent',
        summary: 'Show who desired what when, and what became of it',
        params: Type.Object({ id: idOf('event') }),
        response: {
          200: Type.Object(
            {
              ...SentEventView.properties,
              data: Type.Record(Type.String(), Type.Unknown(), { description: 'What was desired.' }),
              listings: Type.Array(
                Type.Object({
                  connectionId: Type.String(),
                  listingId: Type.String(),
                  nights: Type.Array(
                    Type.Object({
                      from: Type.String(),
                      to: Type.String(),
                      state: Type.Enum(['pushed', 'pending', 'failed', 'superseded', 'repeated'], {
                        description:
                          '`superseded`: something newer is desired; `repeated`: the same was desired before, so nothing had to be done.',
                      }),
                    }),
                  ),
                }),
                { description: 'Of availability and prices; details of a listing are in its sync status.' },
              ),
            },
            { title: 'SentEventWithOutcome' },
          ),
        },
      },
    },
    async (request) => {
      const { id } = request.params
      const event = isUuid(id) ? await findDesiredEvent(db, id, tenantScope(request)) : undefined
      if (event === undefined) throw notFound('The event')
      return { ...toView(event), data: event.data, listings: byListing(await outcomeOf(db, event)) }
    },
  )
}

function refuse(
  code: 'VALIDATION_FAILED' | 'EVENT_NOT_APPLICABLE' | 'EVENT_ID_REUSED',
  found: WrongField[],
): void {
  if (found.length > 0) throw new Problem(422, code, 'Nothing was stored: some entries are not valid', found)
}

function toView(row: DesiredEventRow): Static<typeof SentEventView> {
  return {
    id: row.id,
    type: row.type,
    unitId: row.unit_id,
    receivedAt: row.received_at.toISOString(),
    source: row.source,
    eventId: row.event_id,
    by: { id: row.token_id, name: row.token_name, role: row.role },
    requestId: row.request_id,
  }
}

type Span = { from: string; to: string; state: NightOutcome['state'] }

// Neighbouring nights of one state are one span.
function byListing(nights: NightOutcome[]) {
  const groups = Map.groupBy(nights, ({ connectionId, listingId }) => `${connectionId} ${listingId}`)
  return [...groups.values()].map((group) => {
    const spans: Span[] = []
    for (const { day, state } of group) {
      const last = spans.at(-1)
      if (last?.state === state && addDays(last.to, 1) === day) last.to = day
      else spans.push({ from: day, to: day, state })
    }
    const { connectionId = '', listingId = '' } = group[0] ?? {}
    return { connectionId, listingId, nights: spans }
  })
}
