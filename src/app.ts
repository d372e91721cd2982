import rateLimit from '@fastify/rate-limit'
import swaggerUi from '@fastify/swagger-ui'
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { pendingWork, resumeWork } from './connection-work.ts'
import { connectionLifeRoutes } from './connections/connection-life-routes.ts'
import { connectionRoutes } from './connections/connection-routes.ts'
import { deadLetterRoutes } from './dead-letters/dead-letter-routes.ts'
import { type Deps, modules, refreshGauges } from './deps.ts'
import { pingDatabase } from './platform/db/leader-lock.ts'
import { useApiAuth } from './platform/http/api-auth.ts'
import { describeApi } from './platform/http/api-document.ts'
import { healthRoutes } from './platform/http/health.ts'
import { closeIdleConnections } from './platform/http/idle-connections.ts'
import { useOptionalBodies } from './platform/http/optional-body.ts'
import { refuseUnroutable, useProblems } from './platform/http/problems.ts'
import { useValidation } from './platform/http/validation.ts'
import { beginFirstImport } from './polling/request-import.ts'
import { replayAll, replayDeadLetter, replayWebhook } from './replay.ts'
import { findApiTokenOwner } from './tenants/api-token-store.ts'
import { webhookLogRoutes } from './webhooks/webhook-log-routes.ts'

const bodyLimitBytes = 5 * 1_048_576
const maxAddress = 16_384
const maxRequestMs = 30_000
const keepAliveMs = 75_000
const failuresPerMinute = 300

/** How the API listens. The benchmarks compare it with servers that listen the same way. */
export function listeningOptions() {
  return {
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: bodyLimitBytes,
    requestTimeout: maxRequestMs,
    // Longer than any address that Node reads: an id of whatever length is an id that does not exist.
    routerOptions: { maxParamLength: maxAddress },
    keepAliveTimeout: keepAliveMs,
  }
}

/** Every route of the product, mounted; it never listens. Closing it drains what was accepted. */
export async function createApp(deps: Deps): Promise<FastifyInstance> {
  const { db, log, metrics } = deps
  const loggerInstance: FastifyBaseLogger = log
  const app = fastify({ ...listeningOptions(), loggerInstance, frameworkErrors: refuseUnroutable })
  useProblems(app)
  useValidation(app)
  closeIdleConnections(app)
  // Every body here is JSON; read as text it would be refused as the wrong type of JSON.
  app.removeContentTypeParser('text/plain')
  await describeApi(
    app,
    deps.channels.all.map(({ name }) => name),
  )
  await app.register(swaggerUi, { routePrefix: '/docs' })
  await app.register(rateLimit, { global: false })

  for (const module of modules) await module.publicRoutes?.(app, deps)
  await app.register(healthRoutes, {
    metrics,
    refreshGauges: () => refreshGauges(deps),
    // The queue is not needed to accept webhooks: what cannot be enqueued now is swept later.
    readiness: [{ name: 'database', check: async () => void (await pingDatabase(db)) }],
  })
  await app.register(apiRoutes, { prefix: '/v1', deps })
  return app
}

async function apiRoutes(app: FastifyInstance, { deps }: { deps: Deps }): Promise<void> {
  const { config, db, queues, vault, channels, log } = deps
  const countFailure = app.createRateLimit({ max: failuresPerMinute, timeWindow: 60_000 })
  useApiAuth(app, {
    adminToken: config.ADMIN_API_TOKEN,
    findOwner: (token) => findApiTokenOwner(db, token),
    async tooManyFailures(request) {
      const limit = await countFailure(request)
      return !limit.isAllowed && limit.isExceeded
    },
  })
  app.addHook('onRoute', (route) => {
    route.schema = { security: [{ token: [] }], ...route.schema }
  })
  useOptionalBodies(app)
  const connecting = {
    ...{ db, vault, channels, log, publicUrl: config.PUBLIC_URL },
    crons: {
      availability: config.HOSTAWAY_SYNC_AVAILABILITY_CRON,
      pricing: config.HOSTAWAY_SYNC_PRICING_CRON,
      listings: config.HOSTAWAY_SYNC_LISTINGS_CRON,
      reconcile: config.HOSTAWAY_RECONCILE_CRON,
    },
    beginImport: beginFirstImport,
    onActive: (id: string) => resumeWork(deps, id),
    pendingOf: (connection: { id: string; tenantId: string }) => pendingWork(deps, connection),
  }
  await app.register(connectionRoutes, connecting)
  await app.register(connectionLifeRoutes, connecting)
  await app.register(webhookLogRoutes, { db, replay: (webhook) => replayWebhook(db, queues, webhook) })
  await app.register(deadLetterRoutes, {
    db,
    replayDeadLetter: (letter) => replayDeadLetter(db, queues, letter),
    replayAll: (filter) => replayAll(db, queues, filter),
  })
  for (const module of modules) await module.routes?.(app, deps)
}
