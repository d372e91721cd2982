import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { queueBackends } from '../../support/backends.ts'
import { eventually } from '../../support/eventually.ts'
import { startReceiving } from '../../support/receiving-process.ts'

type Span = { traceId: string; spanId: string; parentSpanId?: string; name: string; kind: number }
type Export = {
  resourceSpans: Array<{
    resource: { attributes: Array<{ key: string; value: { stringValue?: string } }> }
    scopeSpans: Array<{ spans: Span[] }>
  }>
}

const producer = 4
const consumer = 5

/** Stands in for an OpenTelemetry collector and keeps what it is sent. */
async function startCollector(t: TestContext) {
  const exports: Export[] = []
  const paths = new Set<string>()
  const server = createServer(async (request, response) => {
    paths.add(`${request.method} ${request.url}`)
    exports.push((await json(request)) as Export)
    response.setHeader('content-type', 'application/json').end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    paths,
    exports,
    spans: () =>
      exports
        .flatMap(({ resourceSpans }) => resourceSpans)
        .flatMap((resource) => resource.scopeSpans.flatMap(({ spans }) => spans)),
  }
}

for (const backend of queueBackends()) {
  describe(`with a collector, on ${backend.name}`, () => {
    it('a trace goes from the queue’s producer to the job and into its dead letter', async (t) => {
      const collector = await startCollector(t)
      const { process, db, deliver } = await startReceiving(t, 'local/start.ts', {
        OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`,
        QUEUE_PREFIX: backend.prefix,
        ...(backend.redisUrl === undefined ? {} : { REDIS_URL: backend.redisUrl }),
      })
      assert.ok(await deliver({ arrivalDate: '2027-01-01' }, 'reservation.updated'))
      const letter = await eventually(() =>
        db.selectFrom('dead_letter_queue').select(['trace_id', 'kind']).executeTakeFirstOrThrow(),
      )
      assert.match(letter.trace_id ?? '', /^[0-9a-f]{32}$/)
      process.kill('SIGTERM')
      assert.equal((await process.end()).code, 0)

      assert.deepEqual([...collector.paths], ['POST /v1/traces'])
      const names = collector.exports[0]?.resourceSpans[0]?.resource.attributes
      assert.equal(
        names?.find(({ key }) => key === 'service.name')?.value.stringValue,
        'hostaway-connector-all',
      )
      const spans = collector.spans().filter(({ traceId }) => traceId === letter.trace_id)
      const sent = spans.find(({ kind }) => kind === producer)
      const worked = spans.find(({ kind }) => kind === consumer)
      assert.ok(sent, 'no span of the producer')
      assert.equal(worked?.parentSpanId, sent.spanId)
    })
  })
}

it('without a collector nothing of the tracing SDK is loaded', async () => {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ resolve(specifier, context, next) {
      const found = next(specifier, context)
      loaded.push(found.url)
      return found
    } })
    await import('./src/app.ts')
    await import('./src/deps.ts')
    await import('./workers/start-workers.ts')
    const { startTracing } = await import('./src/platform/telemetry/tracing.ts')
    const { queueTelemetry } = await startTracing(undefined, 'test')
    console.log(JSON.stringify({
      hasTelemetry: queueTelemetry !== undefined,
      product: loaded.filter((url) => url.endsWith('/src/deps.ts')),
      tracing: loaded.filter((url) => /bullmq-otel|@opentelemetry\\/(?!api\\/)/.test(url)),
    }))
  `
  const cwd = fileURLToPath(new URL('../../../', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    cwd,
  })
  const { hasTelemetry, product, tracing } = JSON.parse(stdout) as {
    hasTelemetry: boolean
    product: string[]
    tracing: string[]
  }
  assert.deepEqual([hasTelemetry, tracing], [false, []])
  assert.notEqual(product.length, 0)
})
