import type { Kysely } from 'kysely'
import { bookings } from './bookings/module.ts'
import { calendar } from './calendar/module.ts'
import { defaultOutboundTimes, type OutboundTimes } from './calendar/push-context.ts'
import { type Channel, type Channels, createChannels } from './channels/contract/channel.ts'
import { breakerStateGauge, createBreaker } from './channels/hostaway/breaker.ts'
import { createHostawayChannel } from './channels/hostaway/hostaway-channel.ts'
import { bindReactions, type Reactions } from './connections/connection-reactions.ts'
import { connections } from './connections/module.ts'
import { deadLetters } from './dead-letters/module.ts'
import { bindReplays, type Replays } from './dead-letters/replay-dead-letter.ts'
import { outbox } from './outbox/module.ts'
import type { Config } from './platform/config/config.ts'
import { dayMs } from './platform/days.ts'
import { openDatabase } from './platform/db/database.ts'
import { createLocks, type Locks } from './platform/db/locks.ts'
import { pendingMigrations } from './platform/db/migrate.ts'
import type { Database } from './platform/db/tables.ts'
import { createLimiter, type Limiter } from './platform/limiter/limiter.ts'
import { callsPerMinute, parseRateLimitProfile } from './platform/limiter/rate-limit-profile.ts'
import type { Module } from './platform/module.ts'
import { acquire } from './platform/process/acquire.ts'
import { StartError } from './platform/process/start-error.ts'
import type { QueueBackendOptions } from './platform/queue/queue-backend.ts'
import type { QueueTimes } from './platform/queue/queue-worker.ts'
import { type JobQueues, openJobQueues } from './platform/queue/queues.ts'
import { createLogger, type Logger } from './platform/telemetry/logger.ts'
import { createMetrics, type Metrics } from './platform/telemetry/metrics.ts'
import { createThrottle } from './platform/telemetry/throttle.ts'
import { startTracing } from './platform/telemetry/tracing.ts'
import { createVault, type Vault } from './platform/vault/vault.ts'
import { polling } from './polling/module.ts'
import { defaultHistoryTimes, type HistoryTimes } from './polling/polling-context.ts'
import { tenants } from './tenants/module.ts'
import { webhooks } from './webhooks/module.ts'

/** What lives as long as the process. Only the entries take all of it; other functions take what they use. */
export type Deps = {
  config: Config
  log: Logger
  metrics: Metrics
  vault: Vault
  db: Kysely<Database>
  /** Connections for the ingress alone: no other query makes a webhook wait. */
  ingressDb: Kysely<Database>
  locks: Locks
  limiter: Limiter
  channels: Channels
  queueBackend: QueueBackendOptions
  queues: JobQueues
  reactions: Reactions
  replays: Replays
  outboundTimes: OutboundTimes
  historyTimes: HistoryTimes
  upkeepTimes: UpkeepTimes
  /** Breaks off the calls to channels under way, so that closing does not wait for them. */
  hangUp(): void
  /** Releases everything in reverse order of acquisition. */
  close(): Promise<void>
}

/** Everything the product consists of, in the order in which the API document shows it. */
export const modules: readonly Module<Deps>[] = [
  tenants,
  connections,
  polling,
  bookings,
  webhooks,
  deadLetters,
  outbox,
  calendar,
]

const defaultUpkeepTimes = {
  sweepEveryMs: 1_000,
  releaseEveryMs: 5_000,
  neverEnqueuedForMs: 3_000,
  enqueuedForMs: 60_000,
  pruneEveryMs: 60_000,
  /** How often to check webhook registrations. */
  watchEveryMs: 15_000,
  /** A push that has been due for so long has lost its job. */
  pushOverdueMs: 1_000,
  scheduleEveryMs: 15_000,
  /** A listing that was not read back for so long is read back, to find drift. */
  driftAfterMs: dayMs,
  remapEveryMs: 1_000,
}

export type UpkeepTimes = typeof defaultUpkeepTimes

const ingressStatementTimeoutMs = 4_000
const ingressConnections = 4
// Jobs share statements, so that they need fewer connections than there are jobs.
const maxJobConnections = 14
const breakerWindowMs = 120_000

export type DepsOptions = {
  role: string
  log?: Logger
  metrics?: Metrics
  outboundTimes?: Partial<OutboundTimes>
  historyTimes?: Partial<HistoryTimes>
  upkeepTimes?: Partial<UpkeepTimes>
  queueTimes?: QueueTimes
  /** Further channels, beside those of this file. */
  channels?: readonly Channel[]
}

/** Acquires what a process needs, and releases what it got if that fails half way. Refuses an older schema. */
export async function createDeps(config: Config, options: DepsOptions): Promise<Deps> {
  return acquire((releases) => acquireDeps(config, options, releases))
}

async function acquireDeps(
  config: Config,
  {
    role,
    log: given,
    metrics: shared,
    outboundTimes,
    historyTimes,
    upkeepTimes,
    queueTimes,
    channels: others = [],
  }: DepsOptions,
  releases: AsyncDisposableStack,
): Promise<Deps> {
  const log = given ?? createLogger({ level: config.LOG_LEVEL, role })
  const metrics = shared ?? createMetrics()
  const vault = createVault(config.keyRing)

  const tracing = await startTracing(config.OTEL_EXPORTER_OTLP_ENDPOINT, role)
  releases.defer(() => tracing.flush())

  const pending = await pendingMigrations(config.DATABASE_URL)
  if (pending.length > 0) {
    throw new StartError(`The database lacks ${pending.join(', ')}; run \`npm run migrate\` first.`)
  }
  const onError = (error: Error) => log.warn({ err: error }, 'database.connection_lost')
  const url = config.DATABASE_URL
  const maxConnections = Math.min(config.WORKER_CONCURRENCY, maxJobConnections) + 10
  const db = openDatabase({ url, maxConnections, applicationName: `hostaway-${role}`, onError })
  releases.defer(() => db.destroy())
  const ingressDb = openDatabase({
    url,
    maxConnections: ingressConnections,
    statementTimeoutMs: Math.min(ingressStatementTimeoutMs, config.HOSTAWAY_WEBHOOK_TIMEOUT_MS),
    applicationName: 'hostaway-ingress',
    onError,
  })
  releases.defer(() => ingressDb.destroy())
  const locks = createLocks({ url, onError })
  releases.defer(() => locks.close())

  const { HOSTAWAY_RATE_LIMIT_RPM: perMinute, HOSTAWAY_RATE_LIMIT_BURST: burst } = config
  const limiter = createLimiter({
    db,
    profile: parseRateLimitProfile(config.HOSTAWAY_RATE_LIMIT_PROFILE),
    egressId: config.EGRESS_ID,
    ...(perMinute === undefined ? {} : { perAccount: callsPerMinute(perMinute, burst) }),
    metrics,
  })
  const breaker = createBreaker({
    enabled: config.HOSTAWAY_CIRCUIT_BREAKER_ENABLED,
    threshold: config.HOSTAWAY_CIRCUIT_BREAKER_THRESHOLD,
    windowMs: breakerWindowMs,
    resetMs: config.HOSTAWAY_CIRCUIT_BREAKER_RESET_MS,
    onState: breakerStateGauge(metrics),
  })
  releases.defer(async () => breaker.close())
  const hostaway = createHostawayChannel({
    apiUrl: config.HOSTAWAY_API_URL,
    timeoutMs: config.HOSTAWAY_API_TIMEOUT_MS,
    limiter,
    breaker,
    metrics,
    log,
  })
  releases.defer(async () => hostaway.close())

  const channels = createChannels([hostaway.channel, ...others])

  const queueBackend: QueueBackendOptions = {
    redisUrl: config.REDIS_URL,
    databaseUrl: config.DATABASE_URL,
    prefix: config.QUEUE_PREFIX,
    ...(queueTimes === undefined ? {} : { times: queueTimes }),
    telemetry: tracing.queueTelemetry,
    onError: quietly(log),
  }
  const queues = openJobQueues(queueBackend)
  releases.defer(() => queues.close())

  const deps: Deps = {
    config,
    log,
    metrics,
    vault,
    db,
    ingressDb,
    locks,
    limiter,
    channels,
    queueBackend,
    queues,
    reactions: bindReactions(modules, () => deps),
    replays: bindReplays(modules, () => deps),
    outboundTimes: { ...defaultOutboundTimes(config.HOSTAWAY_API_TIMEOUT_MS), ...outboundTimes },
    historyTimes: {
      ...defaultHistoryTimes,
      retryDelayMs: config.HOSTAWAY_RETRY_DELAY_MS,
      ...historyTimes,
    },
    upkeepTimes: { ...defaultUpkeepTimes, ...upkeepTimes },
    hangUp() {
      for (const channel of channels.all) channel.hangUp()
    },
    close: () => releases.disposeAsync(),
  }
  return deps
}

// A Redis that is away reports so several times a second.
const repeatAfterMs = 5_000

function quietly(log: Logger): (error: Error) => void {
  const throttle = createThrottle(repeatAfterMs)
  return (error) => throttle((heldBack) => log.warn({ err: error, heldBack }, 'queue.connection_lost'))
}

/** Fills the gauges of all modules. Never rejects: a scrape while the database is away keeps the old values. */
export async function refreshGauges(deps: Deps): Promise<void> {
  const refreshed = await Promise.allSettled(modules.map((module) => module.gauges?.(deps)))
  const failed = refreshed.find((result) => result.status === 'rejected')
  if (failed !== undefined) deps.log.warn({ err: failed.reason }, 'metrics.refresh_failed')
}
