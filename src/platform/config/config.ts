import { isIP } from 'node:net'
import { type Static, Type } from 'typebox'
import type { KeyRing } from '../vault/vault.ts'
import { parseCron } from './cron-times.ts'
import { type FetchedKeys, fetchKeys, isSafeEndpoint, readKeyRing } from './key-ring.ts'
import { checkDatabaseUrl, checkUrl, readable, readSettings } from './setting-checks.ts'

const flag = (fallback: boolean, description: string) => Type.Boolean({ default: fallback, description })
const text = (description: string) => Type.String({ minLength: 1, description })
const milliseconds = (fallback: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 3_600_000, default: fallback, description })
const cron = (fallback: string, description: string) => Type.String({ default: fallback, description })
const port = (fallback: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65_535, default: fallback, description })

// At most 10,000 calls in at most 3,600 seconds, as the limiter takes them.
const callLimit = '([1-9]\\d{0,3}|10000)/([1-9]\\d{0,2}|[12]\\d{3}|3[0-5]\\d{2}|3600)s'

/** Every setting, with its sentence; `.env.example` is checked against this. */
export const settingsSchema = Type.Object({
  PORT: port(3000, 'Port of the HTTP API and of the webhooks.'),
  HOST: Type.String({ default: '127.0.0.1', description: 'Address to listen on.' }),
  METRICS_PORT: port(9464, 'Port on which a worker serves /metrics, /healthz and /readyz.'),
  PUBLIC_URL: Type.Optional(
    text('Base of the webhook URL that is registered with Hostaway; default http://HOST:PORT.'),
  ),
  DATABASE_URL: Type.Optional(text('PostgreSQL; unset, `npm start` runs an embedded one.')),
  REDIS_URL: Type.Optional(text('Redis for the queues; unset, they run on PostgreSQL.')),
  QUEUE_PREFIX: Type.String({
    pattern: '^[a-z0-9_]{1,32}$',
    default: 'hostaway',
    description:
      'Prefix of the queue keys, or name of their schema on PostgreSQL: lower-case letters, digits and underscores.',
  }),
  ENCRYPTION_KEYS: Type.Optional(
    text(
      'Keys that seal secrets, `id:base64-32-bytes[,older…]`; the first seals, all open. Or the secret that holds them, `gcp-sm://projects/…/secrets/…[/versions/…]`.',
    ),
  ),
  SECRET_MANAGER_ENDPOINT: Type.Optional(
    text('Where Google Secret Manager is reached, if not at its public address.'),
  ),
  ADMIN_API_TOKEN: Type.Optional(text('Bootstrap API token with the role admin; make it long and random.')),
  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    description: 'Least severe level that is logged.',
  }),
  EGRESS_ID: Type.String({
    minLength: 1,
    maxLength: 100,
    default: 'default',
    description: 'Names the outgoing IP address; processes behind the same address share its call window.',
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(text('Where traces are sent; unset, none are made.')),
  WORKER_CONCURRENCY: Type.Integer({
    minimum: 1,
    maximum: 200,
    default: 100,
    description:
      'Jobs that a worker process works on at a time; those that wait for the database share its statements.',
  }),
  WEBHOOK_RETENTION_DAYS: Type.Integer({
    minimum: 1,
    maximum: 3_650,
    default: 90,
    description: 'Days after which a webhook that nothing needs any more is deleted.',
  }),
  HOSTAWAY_API_URL: Type.String({
    default: 'https://api.hostaway.com/v1',
    description: 'Base of the Hostaway API.',
  }),
  HOSTAWAY_API_TIMEOUT_MS: milliseconds(30_000, 'Longest duration of one call to Hostaway.'),
  HOSTAWAY_WEBHOOK_TIMEOUT_MS: milliseconds(5_000, 'Longest time until a webhook is answered.'),
  HOSTAWAY_RATE_LIMIT_PROFILE: Type.String({
    pattern: `^(2025|2026-08|custom:${callLimit},${callLimit})$`,
    default: '2025',
    description: 'Call limits: `2025`, `2026-08`, or `custom:15/10s,20/10s` for IP and account.',
  }),
  HOSTAWAY_RATE_LIMIT_RPM: Type.Optional(
    Type.Integer({ minimum: 1, description: 'Additional limit of calls per minute and account.' }),
  ),
  HOSTAWAY_RATE_LIMIT_BURST: Type.Optional(
    Type.Integer({ minimum: 1, description: 'Calls that the additional limit allows at once.' }),
  ),
  HOSTAWAY_MAX_RETRIES: Type.Integer({
    minimum: 1,
    maximum: 20,
    default: 5,
    description: 'Attempts of a job before it becomes a dead letter.',
  }),
  HOSTAWAY_RETRY_DELAY_MS: milliseconds(1_000, 'Base of the back-off between attempts.'),
  HOSTAWAY_CIRCUIT_BREAKER_ENABLED: flag(true, 'Whether calls stop while Hostaway is failing.'),
  HOSTAWAY_CIRCUIT_BREAKER_THRESHOLD: Type.Integer({
    minimum: 1,
    default: 10,
    description: 'Calls within two minutes before the share of failures can open the breaker.',
  }),
  HOSTAWAY_CIRCUIT_BREAKER_RESET_MS: milliseconds(60_000, 'How long the breaker stays open before a trial.'),
  HOSTAWAY_SYNC_AVAILABILITY_CRON: cron('*/15 * * * *', 'When availability is synchronised.'),
  HOSTAWAY_SYNC_PRICING_CRON: cron('0 * * * *', 'When prices are synchronised.'),
  HOSTAWAY_SYNC_LISTINGS_CRON: cron('0 0 * * *', 'When listing details are synchronised.'),
  HOSTAWAY_RECONCILE_CRON: cron('*/15 * * * *', 'When reservations are reconciled.'),
  HOSTAWAY_ACCOUNT_ID: Type.Optional(
    Type.String({
      pattern: '^\\d{1,18}$',
      description: 'Number of the account that is connected to the tenant `default` at start.',
    }),
  ),
  HOSTAWAY_API_KEY: Type.Optional(text('API key of that account.')),
  HOSTAWAY_WEBHOOK_SECRET: Type.Optional(
    text('HMAC secret that webhooks of that account may be signed with; make it long and random.'),
  ),
})

export type Settings = Static<typeof settingsSchema>

export type Config = Settings & {
  PUBLIC_URL: string
  DATABASE_URL: string
  keyRing: KeyRing
  defaultAccount: { accountId: string; apiKey: string; webhookSecret: string | undefined } | undefined
}

/** Thrown by `loadConfig`; `problems` holds one sentence for everything that is wrong. */
export class ConfigError extends Error {
  readonly problems: string[]

  constructor(problems: string[]) {
    super(
      `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    )
    this.name = 'ConfigError'
    this.problems = problems
  }
}

const cronSettings = [
  'HOSTAWAY_SYNC_AVAILABILITY_CRON',
  'HOSTAWAY_SYNC_PRICING_CRON',
  'HOSTAWAY_SYNC_LISTINGS_CRON',
  'HOSTAWAY_RECONCILE_CRON',
] as const

export type Environment = Record<string, string | undefined>

/** Reads the settings like `loadConfig`, and fetches the keys where ENCRYPTION_KEYS names the secret that holds them. */
export async function loadConfigWithKeys(
  provided: Environment = {},
  environment: Environment = process.env,
): Promise<Config> {
  const set = { ...provided, ...withoutEmpty(environment) }
  return loadConfig(provided, environment, await fetchKeys(set.ENCRYPTION_KEYS, set.SECRET_MANAGER_ENDPOINT))
}

/**
 * Checks the settings. `provided` stands in for what the environment leaves unset
 * (the embedded database and its key ring).
 */
export function loadConfig(
  provided: Environment = {},
  environment: Environment = process.env,
  fetched?: FetchedKeys,
): Config {
  const problems: string[] = []
  const settings = readSettings<Settings>(
    settingsSchema,
    { ...provided, ...withoutEmpty(environment) },
    problems,
  )
  const keyRing = readKeyRing(settings.ENCRYPTION_KEYS, fetched, problems)
  checkDatabaseUrl(settings.DATABASE_URL, problems, ' (only `npm start` brings its own database)')
  const endpoint = settings.SECRET_MANAGER_ENDPOINT
  if (endpoint !== undefined && !isSafeEndpoint(endpoint)) {
    problems.push('SECRET_MANAGER_ENDPOINT must be a URL that starts with https://')
  }
  if (settings.REDIS_URL !== undefined)
    checkUrl('REDIS_URL', settings.REDIS_URL, ['redis:', 'rediss:'], problems)
  for (const name of ['PUBLIC_URL', 'HOSTAWAY_API_URL', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const) {
    const value = settings[name]
    if (value !== undefined) checkUrl(name, value, ['http:', 'https:'], problems)
  }
  for (const name of cronSettings) readable(name, () => parseCron(settings[name]), problems)
  const { HOSTAWAY_ACCOUNT_ID: accountId, HOSTAWAY_API_KEY: apiKey } = settings
  if ((accountId === undefined) !== (apiKey === undefined)) {
    problems.push('HOSTAWAY_ACCOUNT_ID and HOSTAWAY_API_KEY go together: set both or neither')
  }
  if (settings.HOSTAWAY_WEBHOOK_SECRET !== undefined && accountId === undefined) {
    problems.push('HOSTAWAY_WEBHOOK_SECRET belongs to HOSTAWAY_ACCOUNT_ID, which is not set')
  }
  if (settings.HOSTAWAY_RATE_LIMIT_BURST !== undefined && settings.HOSTAWAY_RATE_LIMIT_RPM === undefined) {
    problems.push('HOSTAWAY_RATE_LIMIT_BURST needs HOSTAWAY_RATE_LIMIT_RPM')
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return {
    ...settings,
    PUBLIC_URL: trimSlash(settings.PUBLIC_URL ?? `http://${urlHost(settings.HOST)}:${settings.PORT}`),
    HOSTAWAY_API_URL: trimSlash(settings.HOSTAWAY_API_URL),
    DATABASE_URL: settings.DATABASE_URL ?? '',
    keyRing,
    defaultAccount:
      accountId === undefined || apiKey === undefined
        ? undefined
        : { accountId, apiKey, webhookSecret: settings.HOSTAWAY_WEBHOOK_SECRET },
  }
}

/** The database's URL alone, for a command that needs nothing else (least of all the keys). */
export function loadDatabaseUrl(environment: Environment = process.env): string {
  const problems: string[] = []
  checkDatabaseUrl(environment.DATABASE_URL || undefined, problems)
  if (problems.length > 0) throw new ConfigError(problems)
  return environment.DATABASE_URL ?? ''
}

/** The database's URL and the keys alone, for a command that re-seals. */
export async function loadSealingConfig(
  environment: Environment = process.env,
): Promise<{ databaseUrl: string; keyRing: KeyRing }> {
  const problems: string[] = []
  const { DATABASE_URL, ENCRYPTION_KEYS, SECRET_MANAGER_ENDPOINT } = withoutEmpty(environment)
  checkDatabaseUrl(DATABASE_URL, problems)
  const fetched = await fetchKeys(ENCRYPTION_KEYS, SECRET_MANAGER_ENDPOINT)
  const keyRing = readKeyRing(ENCRYPTION_KEYS, fetched, problems)
  if (problems.length > 0) throw new ConfigError(problems)
  return { databaseUrl: DATABASE_URL ?? '', keyRing }
}

/** The settings as they may be logged: secrets only as "configured". */
export function describeConfig(config: Config): Record<string, unknown> {
  const secret = new Set([
    'DATABASE_URL',
    'REDIS_URL',
    'ENCRYPTION_KEYS',
    'ADMIN_API_TOKEN',
    'HOSTAWAY_API_KEY',
    'HOSTAWAY_WEBHOOK_SECRET',
  ])
  const names = Object.keys(settingsSchema.properties) as Array<keyof Settings>
  return Object.fromEntries(
    names
      .filter((name) => config[name] !== undefined)
      .map((name) => [name, secret.has(name) ? 'configured' : config[name]]),
  )
}

// An orchestrator that passes an empty variable means "not set".
function withoutEmpty(environment: Environment): Environment {
  return Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  )
}

function trimSlash(url: string): string {
  return url.replace(/\/+$/, '')
}

function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost'
  return isIP(host) === 6 ? `[${host}]` : host
}
