import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type ControlClient, createControlClient } from '../sandbox/control-client.ts'
import type { Environment } from '../src/config.ts'
import { type ConnectorClient, createConnectorClient } from './connector-client.ts'
import { type DemoProcess, type ProcessPlan, startProcess } from './demo-processes.ts'
import { freePort } from './free-port.ts'
import { provideDatabase } from './local-database.ts'

// The account that the sandbox has from its start.
const account = { accountId: 10001, apiKey: 'sandbox-key-10001' }
const tenant = 'demo'
// All that the processes take over: a database or an account that happens to be set must not be touched.
const takenOver = [
  'PATH',
  'HOME',
  'LANG',
  'TZ',
  'TMPDIR',
  'LOG_LEVEL',
  'REDIS_URL',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
]

/** How much faster than in life Hostaway tries a delivery again: after 1.2 s instead of a minute. */
export const hostawayHurries = 50

export type Restartable = {
  kill(): Promise<void>
  start(): Promise<void>
}

export type DemoSystem = {
  accountId: number
  control: ControlClient
  connector: ConnectorClient
  api: Restartable
  worker: Restartable
  urls: { api: string; workerMetrics: string; control: string }
  /** For the visitor: reads everything of the tenant, changes nothing. */
  viewerToken: string
}

/**
 * Starts the sandbox, the API and the workers on a database of their own, each as a process, and connects the tenant
 * `demo` over HTTP. They end with the stack: first what takes webhooks, last Hostaway and the database.
 */
export async function startDemoSystem(
  releases: AsyncDisposableStack,
  options: { seed: string; onDeath: (error: Error) => void; signal: AbortSignal },
): Promise<DemoSystem> {
  const { seed, onDeath, signal } = options
  const database = await provideDatabase(releases, { folder: '', temporary: true })
  signal.throwIfAborted()
  const ports = {
    sandbox: await portNear(4010),
    api: await portNear(3000),
    worker: await portNear(9464),
  }
  const inherited = takeOver(process.env)
  const sandboxUrl = `http://127.0.0.1:${ports.sandbox}`
  const apiUrl = `http://127.0.0.1:${ports.api}`
  const workerUrl = `http://127.0.0.1:${ports.worker}`
  const adminToken = randomBytes(24).toString('base64url')
  const environment: Environment = {
    ...inherited,
    ...database,
    PORT: String(ports.api),
    METRICS_PORT: String(ports.worker),
    ADMIN_API_TOKEN: adminToken,
    HOSTAWAY_API_URL: `${sandboxUrl}/v1`,
    // On a Redis that others use too, the queues of the demo stay apart.
    QUEUE_PREFIX: `hostaway_demo_${ports.api}`,
  }

  const sandbox = await startProcess(
    {
      name: 'The Hostaway sandbox',
      file: 'sandbox/sandbox-main.ts',
      readyUrl: `${sandboxUrl}/control/accounts`,
      environment: {
        ...inherited,
        SANDBOX_PORT: String(ports.sandbox),
        SANDBOX_SEED: seed,
        SANDBOX_TIME_SCALE: String(1 / hostawayHurries),
      },
    },
    onDeath,
  )
  releases.defer(() => sandbox.stop())
  signal.throwIfAborted()
  const worker = restartable(
    { name: 'The worker', file: 'workers/main.ts', readyUrl: `${workerUrl}/readyz`, environment },
    onDeath,
  )
  releases.defer(() => worker.stop())
  const api = restartable(
    { name: 'The API', file: 'src/server.ts', readyUrl: `${apiUrl}/readyz`, environment },
    onDeath,
  )
  releases.defer(() => api.stop())
  await Promise.all([worker.start(), api.start()])
  signal.throwIfAborted()

  const connector = createConnectorClient(apiUrl, adminToken)
  await connector.createTenant(tenant, 'Demo')
  await connector.connect({ tenant, ...account, autoImport: true })
  const { token: viewerToken } = await connector.createToken(tenant, 'viewer', 'for the visitor of the demo')
  signal.throwIfAborted()
  return {
    accountId: account.accountId,
    control: createControlClient(`${sandboxUrl}/control`),
    connector,
    api,
    worker,
    urls: { api: apiUrl, workerMetrics: `${workerUrl}/metrics`, control: `${sandboxUrl}/control` },
    viewerToken,
  }
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
    // One that did not start has ended already.
    stop: async () => (await current?.catch(() => undefined))?.stop(),
  }
}

function takeOver(environment: Environment): Environment {
  return Object.fromEntries(
    takenOver.map((name) => [name, environment[name]] as const).filter(([, value]) => value),
  )
}

/** The port itself if nobody listens on it, otherwise a free one. */
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
