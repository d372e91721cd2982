import rateLimit from '@fastify/rate-limit'
import swaggerUi from '@fastify/swagger-ui'
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { type Deps, modules, refreshGauges } from './deps.ts'
import { pingDatabase } from './platform/db/database.ts'
import { useApiAuth } from './platform/http/api-auth.ts'
import { describeApi } from './platform/http/api-document.ts'
import { useBoundCursors } from './platform/http/bound-cursors.ts'
import { entranceRoutes } from './platform/http/entrance.ts'
import { type HealthOptions, healthRoutes, serveHealth } from './platform/http/health.ts'
import { closeIdleConnections } from './platform/http/idle-connections.ts'
import { useJsonBodies } from './platform/http/json-bodies.ts'
import { useOptionalBodies } from './platform/http/optional-body.ts'
import { useOneRequestPerSocket } from './platform/http/patient-sockets.ts'
import { refuseUnroutable, useProblems } from './platform/http/problems.ts'
import { requestIdOf, useRequestIds } from './platform/http/request-ids.ts'
import { useRequestLimits } from './platform/http/request-limits.ts'
import { useApiHeaders, useSafeHeaders } from './platform/http/response-headers.ts'
import { useStrictRequests } from './platform/http/strict-requests.ts'
import { useValidation } from './platform/http/validation.ts'
import { listenOn } from './platform/process/start-error.ts'
import { findApiTokenOwner } from './tenants/api-token-store.ts'
import { useAudit } from './tenants/audit-log.ts'

const bodyLimitBytes = 5 * 1_048_576
const maxAddress = 16_384
const maxRequestMs = 30_000
// The styles of the page are inline; the badge of the validator would send the document elsewhere.
const docsPolicy = [
  "default-src 'self'",
  "img-src 'self' data:",
  "style-src 'self' 'unsafe-inline'",
  "object-src 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')
const keepAliveMs = 75_000
const maxSilenceMs = 40_000
const headersTimeoutMs = 10_000
const maxConnections = 4_000
const failuresPerMinute = 300

/** How the API listens. The benchmarks compare it with servers that listen the same way. */
export function listeningOptions() {
  return {
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: bodyLimitBytes,
    requestTimeout: maxRequestMs,
    genReqId: requestIdOf,
    // Longer than any address that Node reads: an id of whatever length is an id that does not exist.
    routerOptions: { maxParamLength: maxAddress },
    keepAliveTimeout: keepAliveMs,
    // Of a client that sends nothing more of its request, or reads nothing of its answer.
    connectionTimeout: maxSilenceMs,
    http: { connectionsCheckingInterval: 1_000, headersTimeout: headersTimeoutMs },
  }
}

/** Every route of the product, mounted; it never listens. Closing it drains what was accepted. */
export async function createApp(deps: Deps, { hasMetricsElsewhere = false } = {}): Promise<FastifyInstance> {
  const { config } = deps
  const loggerInstance: FastifyBaseLogger = deps.log
  const app = fastify({
    ...listeningOptions(),
    loggerInstance,
    frameworkErrors: refuseUnroutable,
    trustProxy: trustedProxies(config.TRUST_PROXY),
    // Every line names the request by its scope.
    childLoggerFactory: (logger) => logger,
  })
  useProblems(app)
  useRequestIds(app)
  useOneRequestPerSocket(app)
  app.server.maxConnections = maxConnections
  await useSafeHeaders(app, { isHttps: config.PUBLIC_URL.startsWith('https:') })
  useValidation(app)
  closeIdleConnections(app)
  useJsonBodies(app)
  const channelNames = deps.channels.all.map(({ name }) => name)
  await describeApi(app, channelNames)
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: docsPolicy })
  app.register(entranceRoutes)
  await app.register(rateLimit, { global: false })

  for (const module of modules) await module.publicRoutes?.(app, deps)
  await app.register(healthRoutes, { ...healthOf(deps), hasMetricsElsewhere })
  await app.register(apiRoutes, { prefix: '/v1', deps })
  return app
}

type TrustedProxies = string[] | boolean | ((address: string, hop: number) => boolean)

function trustedProxies(setting: string | undefined): TrustedProxies {
  if (setting === undefined) return false
  if (/^\d+$/.test(setting)) return (_address, hop) => hop < Number(setting)
  return setting.split(',').map((address) => address.trim())
}

function healthOf(deps: Deps): HealthOptions {
  return {
    metrics: deps.metrics,
    refreshGauges: () => refreshGauges(deps),
    // The queue is not needed to accept webhooks: what cannot be enqueued now is swept later.
    readiness: [{ name: 'database', check: async () => void (await pingDatabase(deps.db)) }],
  }
}

async function apiRoutes(app: FastifyInstance, { deps }: { deps: Deps }): Promise<void> {
  const { config, db } = deps
  const countFailure = app.createRateLimit({ max: failuresPerMinute, timeWindow: 60_000 })
  useApiAuth(app, {
    adminToken: config.ADMIN_API_TOKEN,
    findOwner: (token) => findApiTokenOwner(db, token),
    async tooManyFailures(request) {
      const limit = await countFailure(request)
      return !limit.isAllowed && limit.isExceeded
    },
  })
  useRequestLimits(app, {
    perToken: config.API_REQUESTS_PER_TOKEN,
    perTenant: config.API_REQUESTS_PER_TENANT,
  })
  app.addHook('onRoute', (route) => {
    route.schema = { security: [{ token: [] }], ...route.schema }
  })
  await useApiHeaders(app)
  useOptionalBodies(app)
  useStrictRequests(app)
  // Any process of the installation reads a cursor that another one gave.
  useAudit(app, db)
  useBoundCursors(app, config.keyRing.map(({ key }) => key)[0] ?? Buffer.alloc(0))
  for (const module of modules) await module.routes?.(app, deps)
}

/**
 * Serves the API; resolves once it listens. Closing the app answers what is in flight first. Where METRICS_PORT is set,
 * `/metrics` is not on the API's own port: it is served there, by workers of the same process if there are any.
 */
export async function startApi(deps: Deps, { besideWorkers = false } = {}): Promise<FastifyInstance> {
  const { config, log } = deps
  const metricsPort = config.METRICS_PORT
  const app = await createApp(deps, { hasMetricsElsewhere: metricsPort !== undefined })
  const stopping = new AbortController()
  app.addHook('onClose', async () => stopping.abort())
  if (metricsPort !== undefined && !besideWorkers) {
    const health = await serveHealth(healthOf(deps), { host: config.HOST, port: metricsPort })
    app.addHook('onClose', () => health.close())
  }
  const address = { host: config.HOST, port: config.PORT }
  await listenOn(() => app.listen(address), { ...address, setting: 'PORT' })
  log.info({ url: config.PUBLIC_URL, metricsPort, ...address }, 'api.listening')
  for (const module of modules) module.started?.(deps, stopping.signal)
  return app
}
