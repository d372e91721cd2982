import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { askRedis, type OwnRedis, startOwnRedis } from '../local/own-redis.ts'
import { type ControlClient, createControlClient } from '../sandbox/control-client.ts'
import { migrateToLatest } from '../src/platform/db/migrate.ts'
import { generateKeyRingEntry } from '../src/platform/vault/vault.ts'
import { steadyPort } from './steady-port.ts'
import { startVictimDatabase, type VictimDatabase } from './victim-database.ts'
import { createVictim, type Victim } from './victim-process.ts'

export const account = { accountId: 20_001, apiKey: 'chaos-key-20001' }

export type VictimSystemOptions = {
  redis: boolean
  workers: number
  listings: number
  /** Multiplies Hostaway's pauses before it delivers again (1, 5 and 25 minutes). */
  timeScale: number
  /** Hostaway's limits, which the product keeps to; by default it has none. */
  limits?: string
  /** Where the processes' output is kept; otherwise it goes with them. */
  logFolder?: string | undefined
}

export type VictimSystem = {
  api: Victim
  workers: Victim[]
  apiUrl: string
  database: VictimDatabase
  redis: VictimRedis | undefined
  control: ControlClient
  /** The sandbox as Hostaway's API. */
  hostawayUrl: string
  adminToken: string
  /** What Hostaway delivers to, and with which Authorization. */
  webhook: { url: string; connectionId: string; authorization: string }
  /** Runs one statement on a connection of its own. */
  query<Row extends object>(statement: string, values?: unknown[]): Promise<Row[]>
  /** Calls the API as an administrator; rejects unless it answers 2xx. */
  call<Body>(method: string, path: string, body?: unknown): Promise<Body>
  /** What a process has written so far. */
  logOf(victim: Victim): Promise<string>
  close(): Promise<void>
}

export type VictimRedis = {
  flush(): Promise<void>
  stop(): Promise<void>
  start(): Promise<void>
}

/** The product as processes of their own, over a database, a queue and a Hostaway that are its own, with one connected account. */
export async function startVictimSystem(options: VictimSystemOptions): Promise<VictimSystem> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hostaway-chaos-'))
  await chmod(folder, 0o711)
  const releases = new AsyncDisposableStack()
  releases.defer(() => rm(folder, { recursive: true, force: true }))
  try {
    return await start(options, folder, releases)
  } catch (error) {
    await releases.disposeAsync()
    throw error
  }
}

async function start(
  options: VictimSystemOptions,
  folder: string,
  releases: AsyncDisposableStack,
): Promise<VictimSystem> {
  const databaseFolder = path.join(folder, 'postgres')
  const logFolder = options.logFolder ?? path.join(folder, 'logs')
  await mkdir(logFolder, { recursive: true })
  const database = await startVictimDatabase(databaseFolder, folder)
  releases.defer(() => database.stop('fast'))
  await migrateToLatest(database.url)
  const redisPort = await steadyPort()
  const redis = options.redis ? await startVictimRedis(redisPort) : undefined
  releases.defer(async () => redis?.stop())

  const adminToken = randomBytes(24).toString('hex')
  const [apiPort, sandboxPort] = [await steadyPort(), await steadyPort()]
  const common: Record<string, string> = {
    DATABASE_URL: database.url,
    ENCRYPTION_KEYS: generateKeyRingEntry('chaos'),
    ADMIN_API_TOKEN: adminToken,
    HOSTAWAY_API_URL: `http://127.0.0.1:${sandboxPort}/v1`,
    HOSTAWAY_RATE_LIMIT_PROFILE: options.limits ?? 'custom:1000/1s,1000/1s',
    // Scaled like the sandbox's pauses, so that a short fault has the effect of a long one.
    HOSTAWAY_API_TIMEOUT_MS: '1500',
    HOSTAWAY_RETRY_DELAY_MS: '200',
    HOSTAWAY_CIRCUIT_BREAKER_RESET_MS: '2000',
    PORT: String(apiPort),
    ...(redis === undefined ? {} : { REDIS_URL: `redis://127.0.0.1:${redisPort}` }),
  }
  const victim = (name: string, file: string, port: number, environment: Record<string, string>) => {
    const created = createVictim({
      name,
      file,
      environment,
      aliveUrl: `http://127.0.0.1:${port}${name === 'sandbox' ? '/control/accounts' : '/healthz'}`,
      logFile: logFile(logFolder, name),
    })
    releases.defer(() => created.stop())
    return created
  }
  const sandbox = victim('sandbox', 'sandbox/sandbox-main.ts', sandboxPort, {
    SANDBOX_PORT: String(sandboxPort),
    SANDBOX_TIME_SCALE: String(options.timeScale),
    SANDBOX_DEFAULT_ACCOUNT: 'false',
    SANDBOX_RATE_LIMIT_PROFILE: options.limits ?? 'off',
    SANDBOX_TOKEN_DELAY_MS: '1',
    SANDBOX_RESERVED_DELAY_MS: '0',
    SANDBOX_DELIVERY_TIMEOUT_MS: '7000',
  })
  const api = victim('api', 'src/server.ts', apiPort, common)
  const workers: Victim[] = []
  for (let number = 1; number <= options.workers; number += 1) {
    const port = await steadyPort()
    const environment = { ...common, METRICS_PORT: String(port) }
    workers.push(victim(`worker ${number}`, 'workers/main.ts', port, environment))
  }
  await Promise.all([sandbox, api, ...workers].map((process) => process.start()))

  const apiUrl = `http://127.0.0.1:${apiPort}`
  const control = createControlClient(`http://127.0.0.1:${sandboxPort}/control`)
  const call = <Body>(method: string, address: string, body?: unknown) =>
    callApi<Body>(apiUrl, adminToken, method, address, body)
  await control.addAccount({
    ...account,
    listings: Array.from({ length: options.listings }, (_, index) => ({ name: `House ${index + 1}` })),
  })
  await call('POST', '/v1/tenants', { slug: 'chaos', name: 'Chaos' })
  const connection = await call<{ id: string; webhook: { url: string } }>('POST', '/v1/connections', {
    tenant: 'chaos',
    channel: 'hostaway',
    autoImport: true,
    ...account,
    accountId: String(account.accountId),
  })
  const [registered] = (await control.state(account.accountId)).webhooks
  const credentials = Buffer.from(`${registered?.login}:${registered?.password}`).toString('base64')

  return {
    api,
    workers,
    apiUrl,
    database,
    redis,
    control,
    hostawayUrl: `http://127.0.0.1:${sandboxPort}/v1`,
    adminToken,
    webhook: {
      url: connection.webhook.url,
      connectionId: connection.id,
      authorization: `Basic ${credentials}`,
    },
    query: (statement, values) => runStatement(database.url, statement, values),
    call,
    logOf: (process) => readFile(logFile(logFolder, process.name), 'utf8'),
    close: () => releases.disposeAsync(),
  }
}

async function startVictimRedis(port: number): Promise<VictimRedis> {
  const start = async (): Promise<OwnRedis> => {
    const started = await startOwnRedis({ port })
    if (started === undefined) throw new Error('There is no redis-server on PATH; run without --redis.')
    return started
  }
  let running: OwnRedis | undefined = await start()
  return {
    flush: async () => void (await askRedis(port, 'FLUSHALL')),
    async stop() {
      await running?.stop()
      running = undefined
    },
    async start() {
      running = await start()
    },
  }
}

function logFile(folder: string, name: string): string {
  return path.join(folder, `${name.replaceAll(' ', '-')}.log`)
}

async function runStatement<Row extends object>(
  url: string,
  statement: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Row>(statement, values)).rows
  } finally {
    await client.end()
  }
}

async function callApi<Body>(
  url: string,
  token: string,
  method: string,
  address: string,
  body: unknown,
): Promise<Body> {
  const response = await fetch(`${url}${address}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${address}: ${response.status} ${text}`)
  return JSON.parse(text) as Body
}
