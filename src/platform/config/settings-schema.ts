import { type Static, Type } from 'typebox'

const flag = (fallback: boolean, description: string) => Type.Boolean({ default: fallback, description })
const text = (description: string) => Type.String({ minLength: 1, description })
const optionalText = (description: string) => Type.Optional(text(description))
const milliseconds = (fallback: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 3_600_000, default: fallback, description })
const cron = (fallback: string, description: string) => Type.String({ default: fallback, description })
const port = (fallback: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65_535, default: fallback, description })

// At most 10,000 calls in at most 3,600 seconds: the bounds of the limiter.
const callLimit = '([1-9]\\d{0,3}|10000)/([1-9]\\d{0,2}|[12]\\d{3}|3[0-5]\\d{2}|3600)s'

const processSettings = {
  PORT: port(3000, 'Port of the HTTP API and of the webhooks.'),
  HOST: Type.String({
    default: '127.0.0.1',
    description: 'Address the HTTP API listens on; the container image sets 0.0.0.0.',
  }),
  METRICS_PORT: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 65_535,
      description:
        'Port on which a worker serves /healthz, /readyz and /metrics; unset: 9464. An API for which it is set serves /metrics there and no longer on PORT.',
    }),
  ),
  PUBLIC_URL: optionalText(
    'Base of the webhook URL registered with Hostaway, as Hostaway reaches it; https in production. Default: http://HOST:PORT.',
  ),
  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    description: 'Lowest log level that is written: fatal, error, warn, info, debug, trace or silent.',
  }),
  WORKER_CONCURRENCY: Type.Integer({
    minimum: 1,
    maximum: 200,
    default: 100,
    description:
      'Maximum number of jobs a worker process runs at the same time, per queue; jobs that wait for the database share its statements.',
  }),
  TRUST_PROXY: optionalText(
    'Proxies whose X-Forwarded-For names the caller: addresses or CIDRs with commas between, or how many of them stand in front. Unset: none, and a proxy counts as the caller.',
  ),
  API_REQUESTS_PER_TOKEN: Type.Integer({
    minimum: 60,
    maximum: 1_000_000,
    default: 3_000,
    description:
      'Requests below /v1 that one token may make in a minute at one API process; more are answered 429.',
  }),
  API_REQUESTS_PER_TENANT: Type.Integer({
    minimum: 60,
    maximum: 1_000_000,
    default: 6_000,
    description: 'The same for all tokens of a tenant together.',
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: optionalText(
    'Base URL of an OpenTelemetry collector that receives traces over HTTP. Unset: no traces.',
  ),
}

const storageSettings = {
  DATABASE_URL: optionalText(
    'PostgreSQL, as postgres://user:password@host:port/database. Unset: `npm start` runs an embedded one in .data/; every other command requires it.',
  ),
  REDIS_URL: optionalText(
    'Redis for the queues, as redis://host:port, with the policy noeviction. Unset: the queues live in PostgreSQL.',
  ),
  QUEUE_PREFIX: Type.String({
    pattern: '^[a-z0-9_]{1,32}$',
    default: 'hostaway',
    description:
      "Prefix of the queues' keys in Redis, or name of their schema in PostgreSQL, for several installations on one server: lower-case letters, digits and underscores.",
  }),
  AUDIT_RETENTION_DAYS: Type.Integer({
    minimum: 0,
    maximum: 36_500,
    default: 400,
    description: 'For how long it is kept who changed what; 0: for ever.',
  }),
  WEBHOOK_RETENTION_DAYS: Type.Integer({
    minimum: 1,
    maximum: 3_650,
    default: 90,
    description:
      'Days after which a processed webhook is deleted; one that a dead letter or an approval refers to stays.',
  }),
}

const secretSettings = {
  ENCRYPTION_KEYS: optionalText(
    'Keys that seal API keys and credentials, as id:base64-of-32-bytes separated by commas: the first seals, all open. Or the name of the secret that holds them in Google Secret Manager, as gcp-sm://projects/…/secrets/…[/versions/…]. Required with DATABASE_URL; otherwise `npm start` generates one in .data/.',
  ),
  SECRET_MANAGER_ENDPOINT: optionalText('Endpoint of Google Secret Manager, if not its public one.'),
  ADMIN_API_TOKEN: optionalText(
    'API token with the role admin over all tenants, to create the first tenants and tokens with; make it long and random.',
  ),
}

const hostawaySettings = {
  HOSTAWAY_API_URL: Type.String({
    default: 'https://api.hostaway.com/v1',
    description: "Base URL of Hostaway's API; set it to the sandbox's to try things out.",
  }),
  HOSTAWAY_API_TIMEOUT_MS: milliseconds(30_000, 'Milliseconds after which a call to Hostaway is aborted.'),
  HOSTAWAY_WEBHOOK_TIMEOUT_MS: milliseconds(
    5_000,
    'Milliseconds after which a webhook that could not be stored yet is answered 503.',
  ),
  HOSTAWAY_RATE_LIMIT_PROFILE: Type.String({
    pattern: `^(2025|2026-08|custom:${callLimit},${callLimit})$`,
    default: '2025',
    description:
      "Hostaway's call limits: 2025 (15 calls per address and 20 per account in 10 s), 2026-08 (200 and 200), or custom:15/10s,20/10s.",
  }),
  HOSTAWAY_RATE_LIMIT_RPM: Type.Optional(
    Type.Integer({ minimum: 1, description: 'Additional limit of your own: calls per minute and account.' }),
  ),
  HOSTAWAY_RATE_LIMIT_BURST: Type.Optional(
    Type.Integer({ minimum: 1, description: 'Calls that the additional limit allows at once.' }),
  ),
  EGRESS_ID: Type.String({
    minLength: 1,
    maxLength: 100,
    default: 'default',
    description:
      'Name of the outgoing IP address; processes behind the same address share its call window, so processes behind different addresses need different names.',
  }),
  HOSTAWAY_MAX_RETRIES: Type.Integer({
    minimum: 1,
    maximum: 20,
    default: 5,
    description: 'Attempts of a job before it becomes a dead letter.',
  }),
  HOSTAWAY_RETRY_DELAY_MS: milliseconds(
    1_000,
    'Milliseconds of the first back-off between attempts; it doubles with each attempt up to 32 s, with random jitter.',
  ),
  HOSTAWAY_CIRCUIT_BREAKER_ENABLED: flag(
    true,
    'Whether the circuit breaker stops calls while most of them fail.',
  ),
  HOSTAWAY_CIRCUIT_BREAKER_THRESHOLD: Type.Integer({
    minimum: 1,
    default: 10,
    description: 'Minimum number of calls within two minutes before failures can open the circuit breaker.',
  }),
  HOSTAWAY_CIRCUIT_BREAKER_RESET_MS: milliseconds(
    60_000,
    'Milliseconds an open circuit breaker waits before it lets a trial call through.',
  ),
  HOSTAWAY_SYNC_AVAILABILITY_CRON: cron(
    '*/15 * * * *',
    'When observed availability is compared with desired availability (cron expression, UTC).',
  ),
  HOSTAWAY_SYNC_PRICING_CRON: cron('0 * * * *', 'When prices are compared.'),
  HOSTAWAY_SYNC_LISTINGS_CRON: cron('0 0 * * *', 'When listing details are compared.'),
  HOSTAWAY_RECONCILE_CRON: cron(
    '*/15 * * * *',
    "When reservations are reconciled with Hostaway's list, which recovers lost webhooks.",
  ),
}

const defaultAccountSettings = {
  HOSTAWAY_ACCOUNT_ID: Type.Optional(
    Type.String({
      pattern: '^\\d{1,18}$',
      description: 'Number of the Hostaway account to connect; requires HOSTAWAY_API_KEY.',
    }),
  ),
  HOSTAWAY_API_KEY: optionalText('API key of that account.'),
  HOSTAWAY_WEBHOOK_SECRET: optionalText(
    "HMAC secret that the account's webhooks may be signed with, in addition to HTTP Basic; make it long and random.",
  ),
}

/** The settings as `.env.example` groups them, each with its one sentence. */
export const settingGroups = {
  'This process': processSettings,
  Storage: storageSettings,
  Secrets: secretSettings,
  Hostaway: hostawaySettings,
  'A single account, connected at start as tenant `default`': defaultAccountSettings,
}

/** Every setting. A new one is added here alone; `npm run env-example` then writes `.env.example`. */
export const settingsSchema = Type.Object({
  ...processSettings,
  ...storageSettings,
  ...secretSettings,
  ...hostawaySettings,
  ...defaultAccountSettings,
})

export type Settings = Static<typeof settingsSchema>
