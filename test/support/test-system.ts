import { Writable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { freePort } from '../../local/free-port.ts'
import { type ControlClient, createControlClient } from '../../sandbox/control-client.ts'
import { startSandbox } from '../../sandbox/start-sandbox.ts'
import { createApp } from '../../src/app.ts'
import { fetchListing } from '../../src/bookings/apply/fetch-listing.ts'
import type { OutboundTimes } from '../../src/calendar/push-context.ts'
import type { Channel } from '../../src/channels/contract/channel.ts'
import { readConnectionSecrets } from '../../src/connections/connection-secret-store.ts'
import { existingConnection } from '../../src/connections/connection-store.ts'
import { createDeps, type Deps, type UpkeepTimes } from '../../src/deps.ts'
import { type Environment, loadConfig } from '../../src/platform/config/config.ts'
import { createLogger } from '../../src/platform/telemetry/logger.ts'
import { createVault, generateKeyRingEntry, parseKeyRing } from '../../src/platform/vault/vault.ts'
import type { HistoryTimes } from '../../src/polling/polling-context.ts'
import { type RunningWorkers, startWorkers } from '../../workers/start-workers.ts'
import { type EndsLater, lastFirst } from './after-all.ts'
import type { QueueBackend } from './backends.ts'
import { type ApiDocument, checkAgainstDocument } from './documented-answers.ts'
import { createTestDatabase } from './test-database.ts'

export type ApiAnswer<Body = Record<string, unknown>> = {
  status: number
  headers: Headers
  body: Body
  text: string
}

export type TestSystemOptions = {
  /** Default: PostgreSQL. */
  backend?: QueueBackend
  settings?: Environment
  /** Whether workers start along; default true. */
  workers?: boolean
  upkeepTimes?: Partial<UpkeepTimes>
  outboundTimes?: Partial<OutboundTimes>
  /** Channels beside Hostaway. */
  channels?: Channel[]
  /** Whether imports and reconciles run; by default the import that follows connecting is cancelled. */
  imports?: boolean
  historyTimes?: Partial<HistoryTimes>
  /** Overrides of the sandbox's settings; by default tokens work at once, limits are off and retries are fast. */
  sandbox?: Parameters<typeof startSandbox>[0]
}

type NewConnection = {
  id: string
  webhook: { url: string }
  import: { id: string; status: string } | null
}

export type TestConnection = {
  id: string
  tenant: string
  accountId: number
  webhookUrl: string
  /** Value of the Authorization header that Hostaway would send. */
  basic: string
}

const lookForHistoryEveryMs = 25
const leaveHistoryAloneMs = 3_600_000

export const adminToken = 'admin-token-of-the-tests'
export const sandboxAccount = { accountId: 10001, apiKey: 'sandbox-key-10001' }

export type TestSystem = Awaited<ReturnType<typeof startTestSystem>>

/** The whole product in this process, on its own database and queue, with its own Hostaway sandbox; all of it ends with the test context. */
export async function startTestSystem(context: EndsLater, options: TestSystemOptions = {}) {
  const parts = lastFirst(context)
  const databaseUrl = await createTestDatabase(parts)
  const sandbox = await startSandbox({
    port: 0,
    tokenDelayMs: 0,
    rateLimitProfile: 'off',
    timeScale: 0.001,
    reservedDelayMs: 0,
    ...options.sandbox,
  })
  parts.after(() => sandbox.close())
  const control: ControlClient = createControlClient(sandbox.controlUrl)
  const logged: string[] = []
  const keys = options.settings?.ENCRYPTION_KEYS ?? generateKeyRingEntry('test')
  const port = await freePort()
  const config = loadConfig(
    {},
    {
      PORT: String(port),
      METRICS_PORT: '0',
      DATABASE_URL: databaseUrl,
      ENCRYPTION_KEYS: keys,
      ADMIN_API_TOKEN: adminToken,
      HOSTAWAY_API_URL: sandbox.apiUrl,
      HOSTAWAY_RATE_LIMIT_PROFILE: 'custom:1000/1s,1000/1s',
      HOSTAWAY_RETRY_DELAY_MS: '20',
      // No call comes by the clock into a test that counts them.
      HOSTAWAY_RECONCILE_CRON: '0 0 1 1 *',
      LOG_LEVEL: 'debug',
      QUEUE_PREFIX: options.backend?.prefix,
      REDIS_URL: options.backend?.redisUrl,
      ...options.settings,
    },
  )
  const destination = new Writable({
    write(chunk, _encoding, done) {
      logged.push(String(chunk))
      done()
    },
  })
  const log = createLogger({ level: config.LOG_LEVEL, role: 'test', destination })
  const deps: Deps = await createDeps(config, {
    role: 'test',
    log,
    ...(options.outboundTimes === undefined ? {} : { outboundTimes: options.outboundTimes }),
    ...(options.channels === undefined ? {} : { channels: options.channels }),
    ...(options.upkeepTimes === undefined ? {} : { upkeepTimes: options.upkeepTimes }),
    historyTimes: {
      lookEveryMs: options.imports ? lookForHistoryEveryMs : leaveHistoryAloneMs,
      ...options.historyTimes,
    },
  })
  parts.after(() => deps.close())
  let workers: RunningWorkers | undefined
  const app: FastifyInstance = await createApp(deps)
  parts.after(async () => {
    await app.close()
    await stop()
  })
  await app.listen({ host: config.HOST, port })
  async function start(): Promise<void> {
    workers ??= await startWorkers(deps)
  }
  async function stop(): Promise<void> {
    await workers?.close()
    workers = undefined
  }
  if (options.workers !== false) await start()

  const url = `http://${config.HOST}:${port}`
  checkAgainstDocument(url, () => app.swagger() as unknown as ApiDocument)

  async function api<Body = Record<string, never>>(
    method: string,
    path: string,
    body?: unknown,
    token: string | null = adminToken,
  ): Promise<ApiAnswer<Body>> {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return readAnswer<Body>(response)
  }

  /** Creates a tenant and connects it to an account of the sandbox, over HTTP like anybody. */
  async function connect(
    overrides: Record<string, unknown> & { tenant?: string; accountId?: number; apiKey?: string } = {},
  ): Promise<TestConnection> {
    const tenant = overrides.tenant ?? 'demo'
    const accountId = overrides.accountId ?? sandboxAccount.accountId
    await api('POST', '/v1/tenants', { slug: tenant, name: tenant })
    const answer = await api<NewConnection>('POST', '/v1/connections', {
      channel: 'hostaway',
      autoImport: true,
      ...sandboxAccount,
      ...overrides,
      tenant,
    })
    if (answer.status > 201) throw new Error(`connecting answered ${answer.status}: ${answer.text}`)
    const { id, import: first } = answer.body
    if (!options.imports && first?.status === 'running') {
      await api('POST', `/v1/connections/${id}/imports/${first.id}/cancel`)
    }
    const vault = createVault(parseKeyRing(keys))
    const secrets = await readConnectionSecrets(deps.db, vault, answer.body.id)
    const credentials = `${secrets?.webhookLogin}:${secrets?.webhookPassword}`
    return {
      id: answer.body.id,
      tenant,
      accountId,
      webhookUrl: answer.body.webhook.url,
      basic: `Basic ${Buffer.from(credentials).toString('base64')}`,
    }
  }

  /** A listing that no other test uses, at Hostaway and known to the connection; gives its id. */
  async function freshListing({ id, accountId }: TestConnection, units = 1): Promise<number> {
    const { listing } = await control.addListing(accountId, { name: 'Fresh House', units })
    const connection = await existingConnection(deps.db, id)
    await fetchListing(deps, connection, String(listing.id), { urgency: 'urgent' })
    return listing.id
  }

  /** Delivers a body to a connection as Hostaway would; text and bytes are sent as they are. */
  async function deliver(
    connection: TestConnection,
    body: unknown,
    headers: Record<string, string> = {},
  ): Promise<ApiAnswer<{ received: true; webhookId: string }>> {
    const raw = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
    const response = await fetch(connection.webhookUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: connection.basic, ...headers },
      body: raw,
    })
    return readAnswer(response)
  }

  return {
    url,
    config,
    deps,
    db: deps.db,
    app,
    sandbox,
    control,
    logged,
    keys,
    api,
    connect,
    freshListing,
    deliver,
    startWorkers: start,
    stopWorkers: stop,
  }
}

async function readAnswer<Body>(response: Response): Promise<ApiAnswer<Body>> {
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') ?? false
  const body = (isJson && text !== '' ? JSON.parse(text) : {}) as Body
  return { status: response.status, headers: response.headers, body, text }
}
