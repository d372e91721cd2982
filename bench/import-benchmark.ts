import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../local/free-port.ts'
import { type ControlClient, createControlClient } from '../sandbox/control-client.ts'
import { startSandbox } from '../sandbox/start-sandbox.ts'
import { acquire } from '../src/platform/process/acquire.ts'
import { generateKeyRingEntry } from '../src/platform/vault/vault.ts'
import { residentMegabytes, type ServerProcess, startServer } from './child-processes.ts'
import { compareWithHostaway } from './import-comparison.ts'
import { progress, type Section } from './result-table.ts'
import type { Backend, Services } from './services.ts'

export type ImportOptions = { backend: Backend; reservations: number; changesPerSecond: number }

type Import = {
  id: string
  status: string
  done: number
  total: number | null
  created: number
  updated: number
  unchanged: number
  waiting: number
  failed: number
  startedAt: string
  finishedAt: string
}
type Sample = { done: number; step: string; apiMiB: number; workerMiB: number }

const adminToken = 'admin-token-of-the-benchmarks'
const account = { accountId: 40_001, apiKey: 'key-of-the-benchmark' }
const listings = 500
const rowsPerPage = 500
const listingsPerPage = 100
const sampleEveryMs = 1_000
const patienceMs = 1_800_000

/** One import of a long history, with webhooks about the same reservations arriving meanwhile. */
export async function measureImport(services: Services, options: ImportOptions): Promise<Section[]> {
  return acquire(async (releases) => {
    const sections = await measure(services, options, releases)
    await releases.disposeAsync()
    return sections
  })
}

async function measure(
  services: Services,
  { backend, reservations, changesPerSecond }: ImportOptions,
  releases: AsyncDisposableStack,
): Promise<Section[]> {
  const databaseUrl = await services.freshDatabase()
  releases.defer(() => services.dropDatabase(databaseUrl))
  const sandbox = await startSandbox({
    port: 0,
    tokenDelayMs: 0,
    rateLimitProfile: 'off',
    defaultAccount: false,
  })
  releases.defer(() => sandbox.close())
  const control = createControlClient(sandbox.controlUrl)
  await control.addAccount({
    ...account,
    listings: Array.from({ length: listings }, (_, index) => ({
      name: `Listing ${index}`,
      currencyCode: 'EUR',
    })),
  })
  const { firstId } = await control.makeHistory(account.accountId, { count: reservations })
  const { api, worker, request } = await startProduct(
    services,
    backend,
    { databaseUrl, apiUrl: sandbox.apiUrl },
    releases,
  )

  await request('POST', '/v1/tenants', { slug: 'bench', name: 'bench' })
  const connection = await request<{ id: string; import: { id: string } }>('POST', '/v1/connections', {
    tenant: 'bench',
    channel: 'hostaway',
    autoImport: true,
    ...account,
  })
  const show = () =>
    request<Import & { step: string }>(
      'GET',
      `/v1/connections/${connection.id}/imports/${connection.import.id}`,
    )

  const ended = new AbortController()
  const changing = changeReservations(control, {
    firstId,
    count: reservations,
    changesPerSecond,
    until: ended.signal,
  })
  const samples = await watch(show, { api, worker })
  ended.abort()
  const changes = await changing
  const imported = await show()
  await control.whenDelivered(patienceMs)
  await untilProcessed(request)

  const seconds = (Date.parse(imported.finishedAt) - Date.parse(imported.startedAt)) / 1_000
  // Before the comparison, which reads the list as well.
  const calls = await callsOf(control, reservations)
  const differing = await compareWithHostaway(databaseUrl, sandbox.apiUrl, account)
  return [
    {
      title: `Import of ${reservations} reservations on ${listings} listings, ${backend} queue`,
      rows: [
        {
          status: imported.status,
          seconds: seconds,
          'reservations/s': imported.done / seconds,
          done: imported.done,
          failed: imported.failed,
          'changes meanwhile': changes,
          'differing from Hostaway': differing,
        },
      ],
    },
    { title: 'Calls to Hostaway', rows: calls },
    { title: 'Memory over time', rows: spread(samples), raw: samples },
  ]
}

async function startProduct(
  services: Services,
  backend: Backend,
  { databaseUrl, apiUrl }: { databaseUrl: string; apiUrl: string },
  releases: AsyncDisposableStack,
) {
  const [port, metricsPort] = [await freePort(), await freePort()]
  const env = {
    PORT: String(port),
    METRICS_PORT: String(metricsPort),
    DATABASE_URL: databaseUrl,
    ENCRYPTION_KEYS: generateKeyRingEntry('bench'),
    ADMIN_API_TOKEN: adminToken,
    HOSTAWAY_API_URL: apiUrl,
    HOSTAWAY_RATE_LIMIT_PROFILE: 'custom:1000/1s,1000/1s',
    LOG_LEVEL: 'warn',
    ...(backend === 'redis' && services.redis !== undefined ? { REDIS_URL: services.redis.url } : {}),
  }
  const url = `http://127.0.0.1:${port}`
  const logFile = `${services.logFolder}/import-${backend}.log`
  const api = await startServer('src/server.ts', { url, env, logFile })
  releases.defer(() => api.stop())
  const worker = await startServer('workers/main.ts', {
    url: `http://127.0.0.1:${metricsPort}`,
    env,
    logFile,
  })
  releases.defer(() => worker.stop())

  async function request<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`)
    return (await answer.json()) as Answer
  }
  return { api, worker, request }
}

/** Changes reservations, spread over the whole history, each with a webhook; resolves to their number. */
async function changeReservations(
  control: ControlClient,
  {
    firstId,
    count,
    changesPerSecond,
    until,
  }: { firstId: number; count: number; changesPerSecond: number; until: AbortSignal },
): Promise<number> {
  let changes = 0
  while (!until.aborted) {
    const id = firstId + ((changes * 7_919) % count)
    if (changes % 5 === 4) await control.cancel(account.accountId, id)
    else await control.change(account.accountId, id, { numberOfGuests: 2 + (changes % 7) })
    changes += 1
    await pause(1_000 / changesPerSecond)
  }
  return changes
}

async function watch(
  show: () => Promise<Import & { step: string }>,
  { api, worker }: { api: ServerProcess; worker: ServerProcess },
): Promise<Sample[]> {
  const samples: Sample[] = []
  const deadline = Date.now() + patienceMs
  for (;;) {
    const { status, done, step } = await show()
    const [apiMiB, workerMiB] = [await residentMegabytes(api.pid), await residentMegabytes(worker.pid)]
    samples.push({ done, step, apiMiB, workerMiB })
    if (status !== 'running') return samples
    if (Date.now() > deadline) throw new Error('The import does not end')
    if (samples.length % 10 === 0) console.error(progress(samples.at(-1)))
    await pause(sampleEveryMs)
  }
}

async function untilProcessed(
  request: <Answer>(method: string, path: string) => Promise<Answer>,
): Promise<void> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const { data } = await request<{ data: unknown[] }>('GET', '/v1/webhooks?status=received&limit=1')
    if (data.length === 0) return
    if (Date.now() > deadline) throw new Error('The webhooks are not processed')
    await pause(250)
  }
}

/** What was called, beside the least that reads everything: each page once, and once the newest changes. */
async function callsOf(control: ControlClient, reservations: number) {
  const calls = await control.calls({ accountId: account.accountId })
  const used = (method: string, path: RegExp) =>
    calls.filter((call) => call.method === method && path.test(call.path)).length
  // A full last page does not say that it is the last: an empty one does, asked for behind two reservations.
  const atLeast = (rows: number, perPage: number) => Math.ceil(rows / perPage)
  return [
    {
      what: 'pages of reservations',
      calls: used('GET', /^\/reservations$/),
      least: atLeast(reservations, rowsPerPage) + (reservations % rowsPerPage === 0 ? 2 : 0) + 1,
    },
    {
      what: 'pages of listings, read while connecting',
      calls: used('GET', /^\/listings$/),
      least: atLeast(listings, listingsPerPage) + (listings % listingsPerPage === 0 ? 1 : 0),
    },
    {
      what: 'single reservations and listings',
      calls: used('GET', /^\/(reservations|listings)\//),
      least: 0,
    },
    {
      what: 'webhooks registered and looked at',
      calls: used('GET', /unified/) + used('POST', /unified/),
      least: 2,
    },
  ]
}

/** A sample at the beginning, at each fifth of the way, and the largest. */
function spread(samples: Sample[]): Record<string, unknown>[] {
  const chosen = Array.from(
    { length: 6 },
    (_, index) => samples[Math.round(((samples.length - 1) * index) / 5)],
  )
  const largest = samples.reduce((a, b) => (b.workerMiB > a.workerMiB ? b : a))
  return [...chosen, { ...largest, step: 'largest' }].flatMap((sample) =>
    sample === undefined
      ? []
      : [{ step: sample.step, done: sample.done, 'API MiB': sample.apiMiB, 'worker MiB': sample.workerMiB }],
  )
}
