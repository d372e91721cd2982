import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { v7 as uuid } from 'uuid'
import { openDatabase } from '../src/platform/db/database.ts'
import { openJobQueues } from '../src/platform/queue/queues.ts'
import { appendWebhooks, markEnqueued } from '../src/webhooks/webhook-log.ts'
import type { BenchOptions } from './bench-options.ts'
import { processorSeconds, residentMegabytes, runTask } from './child-processes.ts'
import { startApi, startWorker } from './contenders.ts'
import type { PaceResult, PaceTask } from './pace.ts'
import { percentiles } from './percentiles.ts'
import { inMilliseconds, progress } from './result-table.ts'
import type { Backend, Services } from './services.ts'
import { type StoredAccount, storeAccount } from './stored-account.ts'
import { accountId, type BodyKind } from './webhook-bodies.ts'

const pacedPerSecond = 100
const batchRows = 500
const drainedWithinMs = 300_000

/** From the moment a webhook is due until another process hears that its booking is committed. */
export async function measureBookingLatency(services: Services, options: BenchOptions) {
  const rows = []
  for (const body of options.bodies) {
    for (const backend of options.backends) {
      const account = await storeAccount(services, backend)
      await announceBookings(account)
      const api = await startApi(services, account, options.nodeOptions)
      const worker = await startWorker(services, account, options.nodeOptions)
      const task: PaceTask = {
        url: `${api.url}/webhooks/hostaway/${account.connectionId}`,
        method: 'POST',
        headers: account.headers,
        body: { kind: body.name, firstReservation: 1 },
        perSecond: pacedPerSecond,
        seconds: options.seconds * 2,
        warmUpSeconds: options.warmUpSeconds,
        bookingsFrom: account.databaseUrl,
      }
      const result = await runTask<PaceResult>('bench/pace.ts', task)
      await worker.stop()
      await api.stop()
      await services.dropDatabase(account.databaseUrl)
      rows.push({
        body: body.name,
        queue: backend,
        ...inMilliseconds(result.bookings ?? percentiles([])),
        missing: result.bookingsMissing,
        refused: result.refused,
      })
      console.error(progress(rows.at(-1)))
    }
  }
  return rows
}

/** Bookings per second of one worker process that finds so many stored webhooks waiting. */
export async function measureDrain(services: Services, options: BenchOptions) {
  const rows = []
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const body of options.bodies) {
      for (const backend of options.backends) {
        const account = await storeAccount(services, backend)
        await storeBacklog(account, backend, body, options.drained)
        const postgresBefore = await processorSeconds(services.postgresPid)
        const worker = await startWorker(services, account, options.nodeOptions)
        const perSecond = await drainedPerSecond(account)
        const workerUsed = await processorSeconds(worker.pid)
        const postgresAfter = await processorSeconds(services.postgresPid)
        await worker.stop()
        await services.dropDatabase(account.databaseUrl)
        rows.push({
          round,
          body: body.name,
          queue: backend,
          'bookings/s': Math.round(perSecond),
          'worker us/booking': microsecondsEach(0, workerUsed, options.drained),
          'postgres us/booking': microsecondsEach(postgresBefore, postgresAfter, options.drained),
        })
        console.error(progress(rows.at(-1)))
      }
    }
  }
  return rows
}

/** Memory of both processes while webhooks keep arriving and many wait. */
export async function measureMemory(services: Services, options: BenchOptions) {
  const rows = []
  for (const backend of options.backends) {
    const body = options.bodies.at(-1)
    if (body === undefined) continue
    const account = await storeAccount(services, backend)
    await storeBacklog(account, backend, body, options.backlog)
    const api = await startApi(services, account, options.nodeOptions)
    const worker = await startWorker(services, account, options.nodeOptions)
    let [apiPeak, workerPeak] = [0, 0]
    const sampling = setInterval(async () => {
      apiPeak = Math.max(apiPeak, await residentMegabytes(api.pid).catch(() => 0))
      workerPeak = Math.max(workerPeak, await residentMegabytes(worker.pid).catch(() => 0))
    }, 250)
    await runTask<PaceResult>('bench/pace.ts', {
      url: `${api.url}/webhooks/hostaway/${account.connectionId}`,
      method: 'POST',
      headers: account.headers,
      body: { kind: body.name, firstReservation: options.backlog + 1 },
      perSecond: pacedPerSecond,
      seconds: options.seconds * 2,
      warmUpSeconds: options.warmUpSeconds,
    } satisfies PaceTask)
    clearInterval(sampling)
    await worker.stop()
    await api.stop()
    await services.dropDatabase(account.databaseUrl)
    rows.push({ queue: backend, backlog: options.backlog, 'api MiB': apiPeak, 'worker MiB': workerPeak })
    console.error(progress(rows.at(-1)))
  }
  return rows
}

/** Webhooks as the ingress stores and enqueues them, each a new reservation. */
export async function storeBacklog(
  account: StoredAccount,
  backend: Backend,
  body: BodyKind,
  count: number,
): Promise<void> {
  const db = openDatabase({ url: account.databaseUrl, maxConnections: 2, applicationName: 'bench' })
  const queues = openJobQueues({
    redisUrl: backend === 'redis' ? account.env.REDIS_URL : undefined,
    databaseUrl: account.databaseUrl,
    prefix: 'hostaway',
    telemetry: undefined,
    onError: (error) => console.error(error),
  })
  try {
    for (let first = 1; first <= count; first += batchRows) {
      const webhooks = Array.from({ length: Math.min(batchRows, count - first + 1) }, (_, index) => ({
        id: uuid(),
        tenantId: account.tenantId,
        connectionId: account.connectionId,
        eventType: 'reservation.created',
        sourceEvent: 'reservation.created',
        externalId: String(first + index),
        body: body.create(first + index),
      }))
      await appendWebhooks(db, webhooks)
      while (!queues.ready()) await pause(10)
      await queues.enqueueWebhooks(webhooks)
      await markEnqueued(
        db,
        webhooks.map(({ id }) => id),
      )
    }
  } finally {
    await queues.close()
    await db.destroy()
  }
}

async function drainedPerSecond(account: StoredAccount): Promise<number> {
  const client = new pg.Client({ connectionString: account.databaseUrl })
  await client.connect()
  try {
    const deadline = Date.now() + drainedWithinMs
    for (;;) {
      const { rowCount } = await client.query(`select 1 from webhook_logs where status = 'received' limit 1`)
      if (rowCount === 0) break
      if (Date.now() > deadline) throw new Error('The worker did not drain the queue')
      await pause(250)
    }
    const { rows } = await client.query<{ per_second: number; bookings: number; webhooks: number }>(`
      select count(*) / extract(epoch from max(processed_at) - min(processed_at))::float8 as per_second,
        (select count(*) from bookings)::int as bookings, count(*)::int as webhooks
      from webhook_logs where connection_id = '${account.connectionId}'`)
    const [row] = rows
    if (row === undefined || row.bookings !== row.webhooks) {
      throw new Error(`${row?.webhooks} webhooks became ${row?.bookings} bookings of account ${accountId}`)
    }
    return row.per_second
  } finally {
    await client.end()
  }
}

function microsecondsEach(
  before: number | undefined,
  after: number | undefined,
  count: number,
): number | undefined {
  return before === undefined || after === undefined
    ? undefined
    : Math.round(((after - before) * 1e6) / count)
}

/** Lets other processes hear of each booking when it is committed. */
export async function announceBookings(account: StoredAccount): Promise<void> {
  const client = new pg.Client({ connectionString: account.databaseUrl })
  await client.connect()
  await client.query(`
    create function announce_booking() returns trigger language plpgsql as
      $$ begin perform pg_notify('booked', new.external_id); return null; end $$;
    create trigger announce after insert on bookings for each row execute function announce_booking()`)
  await client.end()
}
