import { type Kysely, sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { ConnectionRow, ConnectionStatus, Database, WebhookAuth } from '../platform/db/tables.ts'
import type { Vault } from '../platform/vault/vault.ts'

const table = 'hostaway_connections'

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
  /** Set while a disconnected connection still has something at Hostaway to take away. */
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

export type ConnectionSecrets = {
  apiKey: string | null
  keySetAt: Date
  webhookLogin: string | null
  webhookPassword: string | null
  webhookHmacSecret: string | null
}

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
  const seal = (column: string, value: string) => vault.seal(value, { table, column, row: id })
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

/** Opens the secrets of a connection; null where one was erased or never set. */
export async function readConnectionSecrets(
  db: Kysely<Database>,
  vault: Vault,
  id: string,
): Promise<ConnectionSecrets | undefined> {
  const row = await db
    .selectFrom('hostaway_connections')
    .select([
      'api_key_sealed',
      'key_set_at',
      'webhook_login_sealed',
      'webhook_password_sealed',
      'webhook_hmac_secret_sealed',
    ])
    .where('id', '=', id)
    .executeTakeFirst()
  if (row === undefined) return undefined
  const open = (column: Exclude<keyof typeof row, 'key_set_at'>) => {
    const sealed = row[column]
    return sealed === null ? null : vault.open(sealed, { table, column, row: id })
  }
  return {
    apiKey: open('api_key_sealed'),
    keySetAt: row.key_set_at,
    webhookLogin: open('webhook_login_sealed'),
    webhookPassword: open('webhook_password_sealed'),
    webhookHmacSecret: open('webhook_hmac_secret_sealed'),
  }
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
