import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { failureKinds } from '../../../src/platform/errors.ts'
import { createMetrics, eventTypes, workNames } from '../../../src/platform/telemetry/metrics.ts'
import { afterAll } from '../../support/after-all.ts'
import { eventually } from '../../support/eventually.ts'
import { type FaultyLink, openFaultyLink } from '../../support/faulty-link.ts'
import { reservationBody } from '../../support/reservation-bodies.ts'
import { createTestDatabase } from '../../support/test-database.ts'
import { startTestSystem, type TestConnection, type TestSystem } from '../../support/test-system.ts'

type Promised = {
  type: 'counter' | 'gauge' | 'histogram'
  labels?: Record<string, readonly string[] | RegExp>
  /** Whether each series is there before anything happened: a rate needs its start. */
  fromZero?: boolean
}

const outcomes = ['success', 'failure'] as const
const syncTypes = ['calendar', 'listing'] as const
const methods = ['GET', 'POST', 'PUT', 'DELETE']
// A route template has no digits in it: an id would.
const endpoint = /^(\/[A-Za-z]+|\/:id)+$/
const anyAnswer = new RegExp(`^([1-5]\\d\\d|${Object.keys(failureKinds).join('|')})$`)

const promised: Record<string, Promised> = {
  hostaway_webhooks_received_total: { type: 'counter', labels: { event_type: eventTypes }, fromZero: true },
  hostaway_webhooks_processed_total: {
    type: 'counter',
    labels: { event_type: eventTypes, status: outcomes },
    fromZero: true,
  },
  hostaway_webhooks_processing_duration_seconds: {
    type: 'histogram',
    labels: { event_type: eventTypes },
    fromZero: true,
  },
  hostaway_webhooks_oldest_unprocessed_seconds: { type: 'gauge', fromZero: true },
  hostaway_api_requests_total: {
    type: 'counter',
    labels: { method: methods, endpoint, status_code: anyAnswer },
  },
  hostaway_api_request_duration_seconds: { type: 'histogram', labels: { method: methods, endpoint } },
  hostaway_sync_jobs_total: {
    type: 'counter',
    labels: { sync_type: syncTypes, status: outcomes },
    fromZero: true,
  },
  hostaway_sync_job_duration_seconds: { type: 'histogram', labels: { sync_type: syncTypes }, fromZero: true },
  hostaway_sync_queue_length: { type: 'gauge', labels: { sync_type: syncTypes }, fromZero: true },
  hostaway_sync_pending_days: { type: 'gauge', fromZero: true },
  hostaway_circuit_breaker_state: {
    type: 'gauge',
    labels: { state: ['open', 'closed', 'half_open'] },
    fromZero: true,
  },
  hostaway_rate_limiter_available_tokens: { type: 'gauge', labels: { window: ['ip', 'account'] } },
  hostaway_dead_letters_open: { type: 'gauge', fromZero: true },
  hostaway_dead_letters_total: {
    type: 'counter',
    labels: { queue: workNames, kind: Object.keys(failureKinds) },
    fromZero: true,
  },
  hostaway_worker_last_progress_seconds: { type: 'gauge', labels: { queue: workNames } },
  hostaway_connections: {
    type: 'gauge',
    labels: { status: ['connecting', 'active', 'paused', 'needs_reauth', 'disconnected'] },
    fromZero: true,
  },
  hostaway_webhooks_last_received_seconds: { type: 'gauge', fromZero: true },
  hostaway_webhook_repairs_total: {
    type: 'counter',
    labels: { reason: ['missing', 'duplicate', 'disabled', 'address', 'credentials'] },
    fromZero: true,
  },
  hostaway_connection_key_age_seconds: { type: 'gauge', fromZero: true },
  hostaway_booking_conflicts_total: { type: 'counter', fromZero: true },
}

type Series = { name: string; labels: Record<string, string>; value: number }

function parseSeries(text: string): Series[] {
  return [...text.matchAll(/^(hostaway_\w+)(?:\{(.*)\})? (\S+)$/gm)].map(
    ([, name = '', labels = '', value]) => ({
      name,
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', text = '']) => [key, text]),
      ),
      value: Number(value),
    }),
  )
}

/** The series of a metric; of a histogram its counts, which have its labels only. */
function seriesOf(text: string, name: string): Series[] {
  const exposed = promised[name]?.type === 'histogram' ? `${name}_count` : name
  return parseSeries(text).filter((series) => series.name === exposed)
}

describe('the metrics', () => {
  const context = afterAll()
  let system: TestSystem
  let connection: TestConnection
  let link: FaultyLink
  let exposed = ''

  before(async () => {
    link = await openFaultyLink(context, await createTestDatabase(context))
    system = await startTestSystem(context, { settings: { DATABASE_URL: link.url } })
    context.after(async () => link.mend())
    connection = await system.connect()
    const deliver = (event: string, data: unknown) =>
      system.deliver(connection, { event, accountId: connection.accountId, data })
    await deliver('reservation.created', reservationBody({ listingMapId: 999_999 }))
    await deliver('reservation.updated', { arrivalDate: '2027-01-01' })
    await deliver('an.unknown.event.4711', { id: 4711 })
    await eventually(async () => {
      exposed = await scrape()
      const ended = seriesOf(exposed, 'hostaway_webhooks_processed_total').reduce(
        (sum, { value }) => sum + value,
        0,
      )
      assert.equal(ended, 3)
      assert.match(exposed, /^hostaway_dead_letters_open 1$/m)
    })
  })

  async function scrape(): Promise<string> {
    const answer = await system.api('GET', '/metrics', undefined, null)
    assert.equal(answer.status, 200)
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain/)
    return answer.text
  }

  for (const [name, { type, labels = {}, fromZero = false }] of Object.entries(promised)) {
    it(`${name} is a ${type} with its labels, whose values come from closed sets`, () => {
      assert.match(exposed, new RegExp(`^# TYPE ${name} ${type}$`, 'm'))
      assert.match(exposed, new RegExp(`^# HELP ${name} \\w`, 'm'))
      const found = seriesOf(exposed, name)
      assert.notEqual(found.length, 0)
      for (const series of found) {
        assert.deepEqual(Object.keys(series.labels).sort(), Object.keys(labels).sort())
        for (const [label, value] of Object.entries(series.labels)) {
          const allowed = labels[label]
          const known = allowed instanceof RegExp ? allowed.test(value) : allowed?.includes(value)
          assert.ok(known, `${label}="${value}"`)
        }
      }
    })

    if (fromZero) {
      it(`${name} has every series from the start`, async () => {
        const text = await createMetrics().registry.metrics()
        const combinations = Object.values(labels).reduce(
          (product, values) => product * (values instanceof RegExp ? Number.NaN : values.length),
          1,
        )
        assert.equal(seriesOf(text, name).length, combinations)
      })
    }
  }

  it('name no id of this run', () => {
    for (const id of [connection.id, String(connection.accountId), '4711', '700001', '999999', 'demo']) {
      const lines = exposed
        .split('\n')
        .filter((line) => line.startsWith('hostaway_') && line.includes(`"${id}"`))
      assert.deepEqual(lines, [])
    }
  })

  it('the metrics tell what happened', () => {
    const valueWith = (name: string, wanted: Record<string, string>) =>
      seriesOf(exposed, name).find(({ labels }) =>
        Object.entries(wanted).every(([label, value]) => labels[label] === value),
      )?.value
    assert.equal(valueWith('hostaway_webhooks_received_total', { event_type: 'other' }), 1)
    assert.equal(
      valueWith('hostaway_webhooks_processed_total', {
        event_type: 'reservation.updated',
        status: 'failure',
      }),
      1,
    )
    assert.equal(valueWith('hostaway_dead_letters_total', { queue: 'inbound', kind: 'invalid_payload' }), 1)
    assert.equal(valueWith('hostaway_connections', { status: 'active' }), 1)
    assert.equal(valueWith('hostaway_circuit_breaker_state', { state: 'closed' }), 1)
    assert.equal(
      valueWith('hostaway_api_requests_total', {
        method: 'POST',
        endpoint: '/accessTokens',
        status_code: '200',
      }),
      1,
    )
  })

  for (const outage of ['cut', 'stall'] as const) {
    it(`the metrics are still answered while the database is away (${outage}), and readiness says why not`, async () => {
      // Connections that are open before the outage would keep a query waiting for half a minute.
      await Promise.all(Array.from({ length: 12 }, () => system.api('GET', '/v1/bookings')))
      link[outage]()
      const startedAt = performance.now()
      const [text, ready, alive] = await Promise.all([
        scrape(),
        system.api<{ status: string; reasons: string[] }>('GET', '/readyz', undefined, null),
        system.api('GET', '/healthz', undefined, null),
      ])
      assert.ok(performance.now() - startedAt < 8_000, 'a scrape gives up after ten seconds')
      assert.match(text, /^hostaway_webhooks_received_total\{/m)
      assert.match(text, /^hostaway_dead_letters_open 1$/m)
      assert.equal(alive.status, 200)
      assert.deepEqual([ready.status, ready.body.status], [503, 'not_ready'])
      assert.match(ready.body.reasons.join(), /^database: /)
      link.mend()
      link.drop()
      await eventually(
        async () => assert.equal((await system.api('GET', '/readyz', undefined, null)).status, 200),
        { timeoutMs: 20_000 },
      )
    })
  }
})
