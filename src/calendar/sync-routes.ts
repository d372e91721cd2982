import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import { Type } from 'typebox'
import { syncParts } from '../connections/connection-store.ts'
import { disconnectedProblem, requireConnection } from '../connections/require-connection.ts'
import type { Database } from '../platform/db/tables.ts'
import { idOf } from '../platform/http/fields.ts'
import type { JobQueues } from '../platform/queue/queues.ts'
import { restoreDesired } from './desired-store.ts'
import { clearPushed } from './schedule-store.ts'
import { signalConnections } from './sweep-pushes.ts'
import { listListingSyncs } from './sync-status-store.ts'

const tags = ['TVL to the channel']
const time = Type.Union([Type.String(), Type.Null()])
const days = (description: string) => Type.Integer({ description })
const Params = Type.Object({ id: idOf('connection') })

const ListingSyncView = Type.Object(
  {
    listingId: Type.String(),
    unitId: Type.Union([Type.String(), Type.Null()]),
    pendingDays: days('Will be pushed.'),
    failedDays: days('Dead-lettered until the desired value changes or it is replayed.'),
    driftedDays: days('Changed at the channel by others; about to be repaired.'),
    detailsPending: Type.Boolean(),
    detailsFailed: Type.Boolean(),
    attempts: Type.Integer(),
    nextAttemptAt: time,
    lastPushedAt: time,
    lastCheckedAt: time,
    lastError: Type.Union([Type.String(), Type.Null()], {
      description: 'Of the last push, or of what failed for good.',
    }),
    leasedUntil: Type.Union([Type.String(), Type.Null()], {
      description: 'A worker pushes the listing now; one that dies is replaced once this moment has passed.',
    }),
  },
  { title: 'ListingSync' },
)

const SyncView = Type.Object(
  {
    connectionStatus: Type.String({ description: 'Only an active connection pushes.' }),
    disabled: Type.Array(Type.Enum([...syncParts]), {
      description: 'The parts that are switched off for this connection: what is desired of them waits.',
    }),
    pendingDays: Type.Integer(),
    failedDays: Type.Integer(),
    driftedDays: Type.Integer(),
    listings: Type.Array(ListingSyncView),
  },
  { title: 'SyncStatus' },
)

const staggerMs = 250

export type SyncRouteOptions = { db: Kysely<Database>; queues: JobQueues }

/** How far along a connection's pushes are. */
export const syncRoutes: FastifyPluginAsyncTypebox<SyncRouteOptions> = async (app, { db, queues }) => {
  app.get(
    '/connections/:id/sync',
    {
      config: { roles: ['viewer', 'service'] },
      schema: {
        tags,
        operationId: 'getSync',
        summary: 'Show what waits to be pushed and what failed',
        params: Params,
        response: { 200: SyncView },
      },
    },
    async (request) => {
      const connection = await requireConnection(db, request, request.params.id)
      const listings = await listListingSyncs(db, connection.id)
      const sum = (name: 'pendingDays' | 'failedDays' | 'driftedDays') =>
        listings.reduce((total, listing) => total + listing[name], 0)
      return {
        connectionStatus: connection.status,
        disabled: syncParts.filter((part) => !connection.sync[part].enabled),
        pendingDays: sum('pendingDays'),
        failedDays: sum('failedDays'),
        driftedDays: sum('driftedDays'),
        listings: listings.map((listing) => ({
          ...listing,
          nextAttemptAt: listing.nextAttemptAt?.toISOString() ?? null,
          lastPushedAt: listing.lastPushedAt?.toISOString() ?? null,
          lastCheckedAt: listing.lastCheckedAt?.toISOString() ?? null,
          leasedUntil: listing.leasedUntil?.toISOString() ?? null,
        })),
      }
    },
  )

  app.post(
    '/connections/:id/full-sync',
    {
      config: { roles: ['manager'], refusals: { 409: ['CONNECTION_DISCONNECTED'] } },
      schema: {
        tags,
        operationId: 'startFullSync',
        summary: 'Push every desired value again',
        description:
          'One listing after another, beside newer changes. A unit that has another listing than before gets back the desired values that were parked for it, where nothing newer is desired.',
        params: Params,
        response: { 202: Type.Object({ listings: Type.Integer() }) },
      },
    },
    async (request, reply) => {
      const connection = await requireConnection(db, request, request.params.id)
      if (connection.status === 'disconnected') throw disconnectedProblem()
      await restoreDesired(db, connection.id)
      const listings = await clearPushed(db, connection.id, staggerMs)
      await signalConnections(db, queues, [connection.id])
      return reply.code(202).send({ listings })
    },
  )
}
