import { isIP } from 'node:net'
import type { KeyRing } from '../vault/vault.ts'
import { parseCron } from './cron-times.ts'
import { type FetchedKeys, fetchKeys, isSafeEndpoint, readKeyRing } from './key-ring.ts'
import { checkDatabaseUrl, checkUrl, readable, readSettings } from './setting-checks.ts'
import { type Settings, settingsSchema } from './settings-schema.ts'

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
