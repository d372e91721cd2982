import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Metrics } from '../telemetry/metrics.ts'
import { withTimeout } from '../timeout.ts'

/** Something the process needs; `check` resolves to the reason why it cannot be used, or to nothing. */
export type ReadinessCheck = { name: string; check: () => Promise<string | undefined> }

export type HealthOptions = {
  metrics: Metrics
  readiness: ReadinessCheck[]
  /** Fills the gauges that are read from elsewhere; must not reject. */
  refreshGauges: () => Promise<void>
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
