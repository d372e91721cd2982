import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type ControlClient, createControlClient } from '../sandbox/control-client.ts'
import type { MappingSpec } from '../src/mapping/mapping-spec.ts'
import type { Environment } from '../src/platform/config/config.ts'
import { acquire } from '../src/platform/process/acquire.ts'
import { type ConnectorClient, createConnectorClient } from './connector-client.ts'
import { type DemoProcess, type ProcessPlan, startProcess } from './demo-processes.ts'
import { freePort } from './free-port.ts'
import { provideDatabase } from './local-database.ts'

// The account that the sandbox has from its start.
const account = { accountId: 10001, apiKey: 'sandbox-key-10001' }
const tenant = 'demo'
const maxStarts = 3
const earlierReservations = 300
// All that the processes take over: a database or an account that happens to be set must not be touched.
const takenOver = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'REDIS_URL', 'OTEL_EXPORTER_OTLP_ENDPOINT']

/** How much faster than in life Hostaway tries a delivery again: after 2 s instead of a minute. */
export const hostawayHurries = 30

export type Restartable = {
  kill(): Promise<void>
  start(): Promise<void>
}

/** What the demo's tenant wants of a booking beside what every booking has. */
const mapping: MappingSpec = {
  fields: {
    client_name: { from: 'guestName', type: 'text' },
    commission: {
      calculate: 'reservation.totalPrice * (property.commission_rate ?? 0.15)',
      type: 'money',
    },
  },
}

export type DemoSystem = {
  accountId: number
  tenant: string
  connectionId: string
  control: ControlClient
  connector: ConnectorClient
  api: Restartable
  worker: Restartable
  urls: { api: string; workerMetrics: string; control: string }
  /** What the account held before it was connected, and the import of it that connecting has begun. */
  history: { reservations: number; connectionId: string; importId: string }
  /** For the visitor: reads everything of the tenant, changes nothing. */
  viewerToken: string
}

/**
 * Starts the sandbox, the API and the workers on a database of their own, each as a process, and connects the tenant
 * `demo` over HTTP. They end with the stack: the receiver of webhooks first, Hostaway and the database last.
 */
export async function startDemoSystem(
  releases: AsyncDisposableStack,
  options: { seed: string; onDeath: (error: Error) => void; signal: AbortSignal },
): Promise<DemoSystem> {
  const { signal } = options
  const database = await provideDatabase(releases, { folder: '', temporary: true })
  signal.throwIfAborted()
  const adminToken = randomBytes(24).toString('base64url')
  const processes = await startOnFreePorts({ ...options, database, adminToken })
  releases.use(processes.releases)
  signal.throwIfAborted()

  const { api, worker, urls } = processes
  const connector = createConnectorClient(urls.api, adminToken)
  const control = createControlClient(urls.control)
  await control.makeHistory(account.accountId, { count: earlierReservations, seed: options.seed })
  await connector.createTenant(tenant, 'Demo')
  const connection = await connector.connect({ tenant, ...account, autoImport: true })
  await connector.setMapping(connection.id, mapping)
  const { token: viewerToken } = await connector.createToken(tenant, 'viewer', 'for the visitor of the demo')
  signal.throwIfAborted()
  return {
    accountId: account.accountId,
    tenant,
    connectionId: connection.id,
    control,
    connector,
    api,
    worker,
    urls,
    history: {
      reservations: earlierReservations,
      connectionId: connection.id,
      importId: connection.import.id,
    },
    viewerToken,
  }
}

type ProcessOptions = {
  seed: string
  database: Environment
  adminToken: string
  onDeath: (error: Error) => void
  signal: AbortSignal
}

type Ports = { sandbox: number; api: number; worker: number }
type Processes = Pick<DemoSystem, 'api' | 'worker' | 'urls'> & { releases: AsyncDisposableStack }

/** Another demo may take a port between the look at it and its use; then all move to others. */
async function startOnFreePorts(options: ProcessOptions): Promise<Processes> {
  let ports: Ports = {
    sandbox: await portNear(4010),
    api: await portNear(3000),
    worker: await portNear(9464),
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await acquire((releases) => startProcesses(options, ports, releases))
    } catch (error) {
      const isTaken = error instanceof Error && /Port \d+ .*is taken/.test(error.message)
      if (!isTaken || attempt === maxStarts) throw error
    }
    ports = { sandbox: await freePort(), api: await freePort(), worker: await freePort() }
  }
}

async function startProcesses(
  { seed, database, adminToken, onDeath, signal }: ProcessOptions,
  ports: Ports,
  releases: AsyncDisposableStack,
): Promise<Processes> {
  const inherited = takeOver(process.env)
  const sandboxUrl = `http://127.0.0.1:${ports.sandbox}`
  const apiUrl = `http://127.0.0.1:${ports.api}`
  const workerUrl = `http://127.0.0.1:${ports.worker}`
  const environment: Environment = {
    ...inherited,
    ...database,
    PORT: String(ports.api),
    ADMIN_API_TOKEN: adminToken,
    HOSTAWAY_API_URL: `${sandboxUrl}/v1`,
    // On a Redis that others use too, the queues of the demo stay apart.
    QUEUE_PREFIX: `hostaway_demo_${ports.api}`,
  }
  const sandbox = restartable(
    {
      name: 'The Hostaway sandbox',
      file: 'sandbox/sandbox-main.ts',
      readyEvent: 'sandbox started',
      environment: {
        ...inherited,
        SANDBOX_PORT: String(ports.sandbox),
        SANDBOX_SEED: seed,
        SANDBOX_TIME_SCALE: String(1 / hostawayHurries),
      },
    },
    onDeath,
  )
  const worker = restartable(
    {
      name: 'The worker',
      file: 'workers/main.ts',
      readyEvent: 'worker.started',
      environment: { ...environment, METRICS_PORT: String(ports.worker) },
    },
    onDeath,
  )
  const api = restartable(
    { name: 'The API', file: 'src/server.ts', readyEvent: 'api.listening', environment },
    onDeath,
  )
  for (const part of [sandbox, worker, api]) releases.defer(() => part.stop())
  await sandbox.start()
  signal.throwIfAborted()
  await Promise.all([worker.start(), api.start()])
  const urls = { api: apiUrl, workerMetrics: `${workerUrl}/metrics`, control: `${sandboxUrl}/control` }
  return { api, worker, urls, releases }
}

function restartable(
  plan: ProcessPlan,
  onDeath: (error: Error) => void,
): Restartable & { stop(): Promise<void> } {
  let current: Promise<DemoProcess> | undefined
  return {
    async start() {
      current = startProcess(plan, onDeath)
      await current
    },
    kill: async () => (await current)?.kill(),
    // A process that did not start has ended already.
    stop: async () => (await current?.catch(() => undefined))?.stop(),
  }
}

function takeOver(environment: Environment): Environment {
  return Object.fromEntries(
    takenOver.map((name) => [name, environment[name]] as const).filter(([, value]) => value),
  )
}

/** The port itself if it is free, otherwise another one. */
async function portNear(wanted: number): Promise<number> {
  const server = createServer()
  try {
    server.listen(wanted, '127.0.0.1')
    await once(server, 'listening')
  } catch {
    return freePort()
  }
  server.close()
  await once(server, 'close')
  return wanted
}
