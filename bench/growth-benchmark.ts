import pg from 'pg'
import { openDatabase } from '../src/platform/db/database.ts'
import { createApiToken } from '../src/tenants/api-token-store.ts'
import { pruneWebhooksAfter } from '../src/webhooks/prune-webhooks.ts'
import type { BenchOptions } from './bench-options.ts'
import { runTask } from './child-processes.ts'
import { startApi, startWorker } from './contenders.ts'
import { growTables } from './grown-tables.ts'
import type { PaceResult, PaceTask } from './pace.ts'
import { percentiles } from './percentiles.ts'
import { announceBookings } from './processing-benchmark.ts'
import { progress, type Section } from './result-table.ts'
import type { Services } from './services.ts'
import { type StoredAccount, storeAccount } from './stored-account.ts'
import { firstListing } from './webhook-bodies.ts'

const firstNewReservation = 500_000
const readsPerSecond = 20
const retentionDays = 90
const prunedRows = 20_000
const pruneBatchRows = 500
const dayMs = 86_400_000

type Row = { measured: string; rows: number; 'p50 ms': number; 'p99 ms': number; refused?: number }

/** Latencies of the hot routes with more and more rows behind them. */
export async function measureGrowth(services: Services, options: BenchOptions): Promise<Section[]> {
  const measured: Row[] = []
  for (const rows of options.rows) {
    const account = await storeAccount(services, options.backends[0] ?? 'postgres')
    console.error(`storing ${rows} webhooks`)
    await growTables(account, rows)
    await announceBookings(account)
    const api = await startApi(services, account, options.nodeOptions)
    const worker = await startWorker(services, account, options.nodeOptions)
    const add = (name: string, { p50, p99 }: { p50: number; p99: number }, refused = 0) => {
      measured.push({ measured: name, rows, 'p50 ms': p50, 'p99 ms': p99, refused })
      console.error(progress(measured.at(-1)))
    }
    const webhooks = (perSecond: number, first: number): PaceTask => ({
      url: `${api.url}/webhooks/hostaway/${account.connectionId}`,
      method: 'POST',
      headers: account.headers,
      body: { kind: '6 kB', firstReservation: first },
      perSecond,
      seconds: options.seconds,
      warmUpSeconds: options.warmUpSeconds,
    })
    const booked = await runTask<PaceResult>('bench/pace.ts', {
      ...webhooks(100, firstNewReservation),
      bookingsFrom: account.databaseUrl,
    })
    if (booked.bookings !== undefined) add('webhook to booking, 100/s', booked.bookings, booked.refused)
    for (const [name, path] of await readsOf(account)) {
      const token = await ownerToken(account)
      const read = await runTask<PaceResult>('bench/pace.ts', {
        url: `${api.url}${path}`,
        method: 'GET',
        headers: { authorization: `Bearer ${token}` },
        perSecond: readsPerSecond,
        seconds: options.seconds / 2,
        warmUpSeconds: 1,
      } satisfies PaceTask)
      add(name, read.answers, read.refused)
    }
    await worker.stop()
    const answered = await runTask<PaceResult>('bench/pace.ts', webhooks(500, firstNewReservation * 2))
    add('answer to a webhook, 500/s', answered.answers, answered.refused)
    await api.stop()
    add(`pruning ${pruneBatchRows} webhooks`, await measurePruning(account))
    await services.dropDatabase(account.databaseUrl)
  }
  return [{ title: 'Latencies by rows in webhook_logs', rows: bySize(measured, options.rows), raw: measured }]
}

async function readsOf(account: StoredAccount): Promise<Array<[string, string]>> {
  const client = new pg.Client({ connectionString: account.databaseUrl })
  await client.connect()
  const { rows } = await client.query<{ id: string }>(
    'select id from bookings order by id limit 1 offset 1000',
  )
  await client.end()
  const connection = `connection=${account.connectionId}`
  return [
    ['list bookings', '/v1/bookings?limit=50'],
    ['list bookings of a connection', `/v1/bookings?${connection}&status=cancelled&limit=50`],
    [
      'bookings of a unit in a month',
      `/v1/bookings?unitId=hostaway-${firstListing}&from=2026-01-01&to=2026-01-31`,
    ],
    ['find a booking by its id at Hostaway', '/v1/bookings?externalId=777'],
    ['a booking with its timeline', `/v1/bookings/${rows[0]?.id}`],
    ['calendar of a unit', `/v1/units/hostaway-${firstListing}/calendar?from=2026-01-01&to=2026-03-31`],
    ['list webhooks', '/v1/webhooks?limit=50'],
    ['list failed webhooks', `/v1/webhooks?${connection}&status=failed&limit=50`],
    ['webhooks of a reservation', `/v1/webhooks?${connection}&externalId=777`],
    ['list the booking queue', '/v1/booking-queue?status=pending'],
    ['list open dead letters', '/v1/dead-letters?status=open'],
    ['feed', '/v1/feed?limit=100'],
    ['list connections', '/v1/connections'],
  ]
}

async function ownerToken(account: StoredAccount): Promise<string> {
  const db = openDatabase({ url: account.databaseUrl, maxConnections: 1, applicationName: 'bench' })
  const { token } = await createApiToken(db, { tenantId: account.tenantId, role: 'owner', name: 'bench' })
  await db.destroy()
  return token
}

async function measurePruning(account: StoredAccount): Promise<{ p50: number; p99: number }> {
  const db = openDatabase({ url: account.databaseUrl, maxConnections: 1, applicationName: 'bench' })
  const before = new Date(Date.now() - retentionDays * dayMs)
  const times: number[] = []
  let after: string | undefined
  for (let pruned = 0; pruned < prunedRows; ) {
    const startedAt = performance.now()
    const step = await pruneWebhooksAfter(db, { after, before, limit: pruneBatchRows })
    times.push(performance.now() - startedAt)
    pruned += step.pruned
    after = step.last
    if (step.examined < pruneBatchRows) break
  }
  await db.destroy()
  return percentiles(times)
}

function bySize(measured: Row[], sizes: number[]): Record<string, unknown>[] {
  return [...Map.groupBy(measured, (row) => row.measured)].map(([name, rows]) => {
    const columns = sizes.map((size) => {
      const row = rows.find((one) => one.rows === size)
      return [`${size.toLocaleString('en')} p50 / p99 ms`, row === undefined ? '' : shown(row)]
    })
    return { measured: name, ...Object.fromEntries(columns) }
  })
}

function shown({ 'p50 ms': p50, 'p99 ms': p99, refused }: Row): string {
  const text = `${p50.toFixed(1)} / ${p99.toFixed(1)}`
  return refused === 0 ? text : `${text} (${refused} refused)`
}
