import fastify, { type FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { listenOn } from '../process/start-error.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { withTimeout } from '../timeout.ts'
import { closeIdleConnections } from './idle-connections.ts'
import { useProblems } from './problems.ts'

/** Something the process needs; `check` resolves to the reason why it cannot be used, or to nothing. */
export type ReadinessCheck = { name: string; check: () => Promise<string | undefined> }

export type HealthOptions = {
  metrics: Metrics
  readiness: ReadinessCheck[]
  /** Fills the gauges that are read from elsewhere; must not reject. */
  refreshGauges: () => Promise<void>
  /** Whether `/metrics` is served elsewhere, so that it is not open to everyone who reaches this port. */
  hasMetricsElsewhere?: boolean
}

/** Serves health and metrics on a port of their own; the setting `METRICS_PORT` names it. */
export async function serveHealth(
  options: HealthOptions,
  address: { host: string; port: number },
): Promise<FastifyInstance> {
  const app = fastify({ logger: false })
  useProblems(app)
  closeIdleConnections(app)
  await app.register(healthRoutes, options)
  await listenOn(() => app.listen(address), { ...address, setting: 'METRICS_PORT' })
  return app
}

const checkTimeoutMs = 2_000

const Ready = Type.Object({ status: Type.Enum(['ready', 'not_ready']), reasons: Type.Array(Type.String()) })

/** /healthz (the process is alive), /readyz (it can do its job), /metrics. */
export async function healthRoutes(app: FastifyInstance, options: HealthOptions): Promise<void> {
  const tags = ['Operations']
  app.get(
    '/healthz',
    {
      schema: {
        tags,
        operationId: 'getHealth',
        summary: 'Whether the process is alive',
        response: { 200: Type.Object({ status: Type.Literal('ok') }) },
      },
    },
    () => ({ status: 'ok' as const }),
  )
  app.get(
    '/readyz',
    {
      schema: {
        tags,
        operationId: 'getReadiness',
        summary: 'Whether the process can do its job, with the reasons why not',
        response: { 200: Ready, 503: Ready },
      },
    },
    async (_request, reply) => {
      const reasons = (await Promise.all(options.readiness.map(reasonOf))).filter(
        (reason) => reason !== undefined,
      )
      reply.code(reasons.length === 0 ? 200 : 503)
      return { status: reasons.length === 0 ? ('ready' as const) : ('not_ready' as const), reasons }
    },
  )
  if (options.hasMetricsElsewhere === true) return
  // Scrapes go on while the database does not answer, each waiting for the same refresh.
  let refresh: Promise<void> | undefined
  const text = {
    description: 'In the text format of Prometheus',
    content: { 'text/plain': { schema: Type.String() } },
  }
  app.get(
    '/metrics',
    { schema: { tags, operationId: 'getMetrics', summary: 'Prometheus metrics', response: { 200: text } } },
    async (_request, reply) => {
      refresh ??= options.refreshGauges().finally(() => {
        refresh = undefined
      })
      await withTimeout(checkTimeoutMs, refresh, () => undefined)
      reply.type(options.metrics.registry.contentType)
      return options.metrics.registry.metrics()
    },
  )
}

async function reasonOf({ name, check }: ReadinessCheck): Promise<string | undefined> {
  try {
    const reason = await withTimeout(checkTimeoutMs, check(), () => 'no answer in time')
    return reason === undefined ? undefined : `${name}: ${reason}`
  } catch {
    return `${name}: does not answer`
  }
}
