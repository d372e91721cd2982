import { context, propagation, trace } from '@opentelemetry/api'
import type { Telemetry } from 'bullmq'

export type Tracing = {
  /** Carries a trace from the webhook's request to the job; undefined where no traces are made. */
  queueTelemetry: Telemetry | undefined
  flush(): Promise<void>
}

/** The trace that is current where this is called, for log lines and dead letters. */
export function currentTraceId(): string | undefined {
  return trace.getActiveSpan()?.spanContext().traceId
}

/** Loads the tracing SDK only where an endpoint is configured; without one every span is a no-op. */
export async function startTracing(endpoint: string | undefined, role: string): Promise<Tracing> {
  if (endpoint === undefined) return { queueTelemetry: undefined, flush: async () => undefined }
  const [
    { TracerProvider, BatchSpanProcessor },
    { OTLPTraceExporter },
    { AsyncLocalStorageContextManager },
    core,
    resources,
    otel,
  ] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/context-async-hooks'),
    import('@opentelemetry/core'),
    import('@opentelemetry/resources'),
    import('bullmq-otel'),
  ])
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` })
  const provider = new TracerProvider({
    resource: resources.resourceFromAttributes({ 'service.name': `hostaway-connector-${role}` }),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  // Without a propagator the trace breaks silently between the request and the job.
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator())
  trace.setGlobalTracerProvider(provider)
  return {
    queueTelemetry: new otel.BullMQOtel({ tracerName: 'hostaway-connector' }),
    flush: () => provider.shutdown(),
  }
}
