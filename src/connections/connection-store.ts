import { type Kysely, sql, type Transaction } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { BasicCredentials } from '../channels/contract/channel.ts'
import { forgetListings } from '../listings/listing-store.ts'
import type { ConnectionRow, ConnectionStatus, Database, WebhookAuth } from '../platform/db/tables.ts'
import { limitAccount } from '../platform/limiter/call-window-store.ts'
import { callsPerMinute } from '../platform/limiter/rate-limit-profile.ts'
import type { Vault } from '../platform/vault/vault.ts'
import type { Reactions } from './connection-reactions.ts'
import { sealerOf } from './connection-secret-store.ts'

/** A connection without its secrets; `lastSyncAt` is when all changes were last read. */
export type Connection = {
  id: string
  tenantId: string
  tenantSlug: string
  channel: string
  accountId: string
  status: ConnectionStatus
  statusReason: string | null
  autoImport: boolean
  autoMapListings: boolean
  webhookAuth: WebhookAuth
  webhookExternalId: string | null
  webhookUrl: string
  alertingEmailAddress: string | null
  keySetAt: Date
  lastSyncAt: Date | null
  /** Set while a disconnected connection still has something at the channel to take away. */
  disconnectingSince: Date | null
  sync: SyncSettings
  /** A further limit of calls; null where the installation's applies. */
  rateLimit: { perMinute: number | null; burst: number | null }
  createdAt: Date
}

export const syncParts = ['availability', 'pricing', 'listings', 'reconcile'] as const
export type SyncPart = (typeof syncParts)[number]

/** What is kept in step and when; `cron` is null where the installation's applies. */
export type SyncSettings = Record<SyncPart, { enabled: boolean; cron: string | null }>

export type NewConnection = {
  tenantId: string
  channel: string
  accountId: string
  autoImport: boolean
  autoMapListings: boolean
  webhookAuth: WebhookAuth
  alertingEmailAddress: string | null
  webhookUrl: (connectionId: string) => string
  apiKey: string
  webhookLogin: string
  webhookPassword: string
  webhookHmacSecret: string | null
}

type Scope = { tenantId?: string | undefined }

/**
 * Stores a connection as `connecting`, its secrets sealed. Undefined where the tenant has one already
 * (nothing is changed); fails with the unique violation of the account index where another tenant has the account.
 */
export async function insertConnection(
  db: Kysely<Database>,
  vault: Vault,
  connection: NewConnection,
): Promise<string | undefined> {
  const id = uuid()
  const { seal } = sealerOf(vault, id)
  const row = await db
    .insertInto('hostaway_connections')
    .values({
      id,
      tenant_id: connection.tenantId,
      channel: connection.channel,
      account_id: connection.accountId,
      status: 'connecting',
      auto_import: connection.autoImport,
      auto_map_listings: connection.autoMapListings,
      alerting_email_address: connection.alertingEmailAddress,
      webhook_auth: connection.webhookAuth,
      webhook_url: connection.webhookUrl(id),
      webhook_login_sealed: seal('webhook_login_sealed', connection.webhookLogin),
      webhook_password_sealed: seal('webhook_password_sealed', connection.webhookPassword),
      webhook_hmac_secret_sealed:
        connection.webhookHmacSecret === null
          ? null
          : seal('webhook_hmac_secret_sealed', connection.webhookHmacSecret),
      api_key_sealed: seal('api_key_sealed', connection.apiKey),
      key_set_at: new Date(),
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'channel']).doNothing())
    .returning('id')
    .executeTakeFirst()
  return row?.id
}

export async function findConnection(
  db: Kysely<Database>,
  id: string,
  scope: Scope = {},
): Promise<Connection | undefined> {
  const row = await selectConnections(db, scope).where('hostaway_connections.id', '=', id).executeTakeFirst()
  return row === undefined ? undefined : toConnection(row)
}

/** A connection that must be there, since none is ever deleted; throws where it is not. */
export async function existingConnection(db: Kysely<Database>, id: string): Promise<Connection> {
  const connection = await findConnection(db, id)
  if (connection === undefined) throw new Error(`connection ${id} vanished while it was worked on`)
  return connection
}

/** The connections that there are of these, in no order. */
export async function findConnections(db: Kysely<Database>, ids: string[]): Promise<Connection[]> {
  const rows = await selectConnections(db, {})
    .where('hostaway_connections.id', '=', sql<string>`any(${ids}::uuid[])`)
    .execute()
  return rows.map(toConnection)
}

export async function findConnectionOfTenant(
  db: Kysely<Database>,
  tenantId: string,
  channel: string,
): Promise<Connection | undefined> {
  const row = await selectConnections(db, { tenantId }).where('channel', '=', channel).executeTakeFirst()
  return row === undefined ? undefined : toConnection(row)
}

export async function listConnections(
  db: Kysely<Database>,
  options: Scope & { limit: number; after: string | undefined },
): Promise<Connection[]> {
  let query = selectConnections(db, options)
    .orderBy('hostaway_connections.id')
    .limit(options.limit + 1)
  if (options.after !== undefined) query = query.where('hostaway_connections.id', '>', options.after)
  return (await query.execute()).map(toConnection)
}

/** Connections by status, all tenants, for the gauge. */
export async function countConnections(
  db: Kysely<Database>,
): Promise<Array<{ status: ConnectionStatus; count: number }>> {
  const rows = await db
    .selectFrom('hostaway_connections')
    .select(['status', (eb) => eb.fn.countAll<string>().as('count')])
    .groupBy('status')
    .execute()
  return rows.map(({ status, count }) => ({ status, count: Number(count) }))
}

/** Age of the key that was set the longest ago, of the connections that have one; 0 if none has. */
export async function oldestKeySeconds(db: Kysely<Database>): Promise<number> {
  const row = await db
    .selectFrom('hostaway_connections')
    .select(sql<number | null>`extract(epoch from clock_timestamp() - min(key_set_at))::float8`.as('seconds'))
    .where('status', '<>', 'disconnected')
    .executeTakeFirst()
  return row?.seconds ?? 0
}

function selectConnections(db: Kysely<Database>, scope: Scope) {
  const query = db
    .selectFrom('hostaway_connections')
    .innerJoin('tenants', 'tenants.id', 'hostaway_connections.tenant_id')
    .selectAll('hostaway_connections')
    .select('tenants.slug as tenant_slug')
  return scope.tenantId === undefined
    ? query
    : query.where('hostaway_connections.tenant_id', '=', scope.tenantId)
}

function toConnection(row: ConnectionRow & { tenant_slug: string }): Connection {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    tenantSlug: row.tenant_slug,
    channel: row.channel,
    accountId: row.account_id,
    status: row.status,
    statusReason: row.status_reason,
    autoImport: row.auto_import,
    autoMapListings: row.auto_map_listings,
    webhookAuth: row.webhook_auth,
    webhookExternalId: row.webhook_external_id,
    webhookUrl: row.webhook_url,
    alertingEmailAddress: row.alerting_email_address,
    keySetAt: row.key_set_at,
    lastSyncAt: row.last_sync_at,
    disconnectingSince: row.disconnecting_since,
    sync: {
      availability: { enabled: row.sync_availability, cron: row.sync_availability_cron },
      pricing: { enabled: row.sync_pricing, cron: row.sync_pricing_cron },
      listings: { enabled: row.sync_listings, cron: row.sync_listings_cron },
      reconcile: { enabled: row.reconcile, cron: row.reconcile_cron },
    },
    rateLimit: { perMinute: row.calls_per_minute, burst: row.calls_at_once },
    createdAt: row.created_at,
  }
}

/** What may be changed about a connection; what is undefined is kept. */
export type ConnectionOptions = {
  autoImport?: boolean | undefined
  autoMapListings?: boolean | undefined
  webhookAuth?: WebhookAuth | undefined
  alertingEmailAddress?: string | null | undefined
  sync?: Partial<Record<SyncPart, { enabled?: boolean; cron?: string | null } | undefined>> | undefined
  rateLimit?: { perMinute: number | null; burst: number | null } | undefined
}

const columnsOf = {
  availability: { enabled: 'sync_availability', cron: 'sync_availability_cron' },
  pricing: { enabled: 'sync_pricing', cron: 'sync_pricing_cron' },
  listings: { enabled: 'sync_listings', cron: 'sync_listings_cron' },
  reconcile: { enabled: 'reconcile', cron: 'reconcile_cron' },
} as const satisfies Record<SyncPart, { enabled: string; cron: string }>

/** Changes options of a connection; safe to repeat. A changed address for alerts reaches the channel with the next look. */
export async function changeOptions(
  db: Kysely<Database>,
  id: string,
  options: ConnectionOptions,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const row = await trx
      .updateTable('hostaway_connections')
      .set({
        ...optionColumns(options),
        ...(options.alertingEmailAddress === undefined
          ? {}
          : { webhook_check_due_at: sql<Date>`clock_timestamp()` }),
        updated_at: sql<Date>`clock_timestamp()`,
      })
      .where('id', '=', id)
      .returning(['account_id', 'calls_per_minute', 'calls_at_once'])
      .executeTakeFirst()
    if (row !== undefined) await applyLimit(trx, row)
  })
}

// The limiter looks at the account's window only.
async function applyLimit(
  trx: Transaction<Database>,
  row: { account_id: string; calls_per_minute: number | null; calls_at_once: number | null },
): Promise<void> {
  const perMinute = row.calls_per_minute
  const own = perMinute === null ? undefined : callsPerMinute(perMinute, row.calls_at_once ?? perMinute)
  await limitAccount(trx, row.account_id, own)
}

type ConnectAgainDeps = {
  db: Kysely<Database>
  vault: Vault
  reactions: Pick<Reactions, 'accountChanged'>
}

/**
 * Stores a tried key of a connection and its named options, and deletes the token of the old key. A disconnected
 * connection starts again as `connecting`, with fresh webhook credentials; with another account, the listings of the old
 * one lose their units. Fails with the unique violation of the account index if another tenant has the account.
 */
export async function connectAgain(
  { db, vault, reactions }: ConnectAgainDeps,
  id: string,
  change: {
    accountId: string
    apiKey: string
    webhookUrl: string
    credentials: BasicCredentials
    options: ConnectionOptions
  },
): Promise<void> {
  const { seal } = sealerOf(vault, id)
  const { credentials } = change
  await db.transaction().execute(async (trx) => {
    const before = await lockConnection(trx, id)
    if (before.account_id !== change.accountId) {
      // The listings first, as everywhere that writes desired values.
      await forgetListings(trx, id)
      await reactions.accountChanged(trx, id)
    }
    const isNew = before.webhook_login_sealed === null
    const row = await trx
      .updateTable('hostaway_connections')
      .set({
        ...optionColumns(change.options),
        account_id: change.accountId,
        webhook_url: change.webhookUrl,
        api_key_sealed: seal('api_key_sealed', change.apiKey),
        key_set_at: new Date(),
        access_token_sealed: null,
        access_token_usable_at: null,
        access_token_expires_at: null,
        disconnecting_since: null,
        ...(before.status === 'disconnected'
          ? {
              status: 'connecting',
              status_reason: null,
              last_sync_at: before.account_id === change.accountId ? before.last_sync_at : null,
            }
          : {}),
        ...(isNew
          ? {
              webhook_login_sealed: seal('webhook_login_sealed', credentials.login),
              webhook_password_sealed: seal('webhook_password_sealed', credentials.password),
            }
          : {}),
        // A process that looked before the row existed caches that for a moment.
        ...(isNew || before.status === 'disconnected'
          ? { webhook_secrets_set_at: sql<Date>`clock_timestamp()` }
          : {}),
        updated_at: sql<Date>`clock_timestamp()`,
      })
      .where('id', '=', id)
      .returning(['account_id', 'calls_per_minute', 'calls_at_once'])
      .executeTakeFirstOrThrow()
    await applyLimit(trx, row)
  })
}

async function lockConnection(trx: Transaction<Database>, id: string) {
  return trx
    .selectFrom('hostaway_connections')
    .select(['status', 'account_id', 'webhook_login_sealed', 'last_sync_at'])
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirstOrThrow()
}

function optionColumns(options: ConnectionOptions) {
  const { autoImport, autoMapListings, webhookAuth, alertingEmailAddress, sync = {}, rateLimit } = options
  return {
    ...(autoImport === undefined ? {} : { auto_import: autoImport }),
    ...(autoMapListings === undefined ? {} : { auto_map_listings: autoMapListings }),
    ...(webhookAuth === undefined
      ? {}
      : { webhook_auth: webhookAuth, webhook_secrets_set_at: nowUnlessAccepted(webhookAuth) }),
    ...(alertingEmailAddress === undefined ? {} : { alerting_email_address: alertingEmailAddress }),
    ...(rateLimit === undefined
      ? {}
      : { calls_per_minute: rateLimit.perMinute, calls_at_once: rateLimit.burst }),
    ...Object.fromEntries(
      Object.entries(sync).flatMap(([part, setting]) => {
        const { enabled, cron } = columnsOf[part as SyncPart]
        return [
          ...(setting?.enabled === undefined ? [] : [[enabled, setting.enabled]]),
          ...(setting?.cron === undefined ? [] : [[cron, setting.cron]]),
        ]
      }),
    ),
  }
}

// Another mode is a change of what is accepted, like another secret.
function nowUnlessAccepted(mode: WebhookAuth) {
  return sql<Date>`case when webhook_auth = ${mode} then webhook_secrets_set_at else clock_timestamp() end`
}
