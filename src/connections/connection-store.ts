import { type Kysely, sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { ConnectionRow, ConnectionStatus, Database, WebhookAuth } from '../db/tables.ts'
import type { Vault } from '../vault.ts'

const table = 'hostaway_connections'

/** A connection without its secrets; `lastInboundAt` is when the last webhook was stored. */
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
  lastInboundAt: Date | null
  lastSyncAt: Date | null
  createdAt: Date
}

export type ConnectionSecrets = {
  apiKey: string | null
  keySetAt: Date
  webhookLogin: string | null
  webhookPassword: string | null
  webhookHmacSecret: string | null
}

export type NewConnection = {
  tenantId: string
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
      channel: 'hostaway',
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

/** Replaces the API key and forgets the access token that the old key had obtained. */
export async function replaceApiKey(
  db: Kysely<Database>,
  vault: Vault,
  id: string,
  apiKey: string,
): Promise<void> {
  await db
    .updateTable('hostaway_connections')
    .set({
      api_key_sealed: vault.seal(apiKey, { table, column: 'api_key_sealed', row: id }),
      key_set_at: new Date(),
      access_token_sealed: null,
      access_token_usable_at: null,
      access_token_expires_at: null,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .execute()
}

export async function setWebhookHmacSecret(
  db: Kysely<Database>,
  vault: Vault,
  id: string,
  secret: string,
): Promise<void> {
  const column = 'webhook_hmac_secret_sealed'
  await db
    .updateTable('hostaway_connections')
    .set({
      webhook_hmac_secret_sealed: vault.seal(secret, { table, column, row: id }),
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .execute()
}

/** Records Hostaway's id of the registered webhook. */
export async function setWebhookExternalId(
  db: Kysely<Database>,
  id: string,
  externalId: string,
): Promise<void> {
  await db
    .updateTable('hostaway_connections')
    .set({ webhook_external_id: externalId, updated_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', id)
    .execute()
}

// Which status may follow which; a change from any other is somebody else's news and is left alone.
const followsFrom: Record<ConnectionStatus, readonly ConnectionStatus[]> = {
  connecting: ['disconnected'],
  active: ['connecting', 'needs_reauth'],
  paused: ['active', 'needs_reauth'],
  needs_reauth: ['active', 'connecting', 'paused'],
  disconnected: ['connecting', 'active', 'paused', 'needs_reauth'],
}

/**
 * Moves a connection along the table of legal transitions; false if it was not in a status this may follow.
 * With `keySetAt` only while it still has the API key that was set then.
 */
export async function setConnectionStatus(
  db: Kysely<Database>,
  id: string,
  status: ConnectionStatus,
  { reason = null, keySetAt }: { reason?: string | null; keySetAt?: Date } = {},
): Promise<boolean> {
  let update = db
    .updateTable('hostaway_connections')
    .set({ status, status_reason: reason, updated_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', id)
    .where('status', 'in', [...followsFrom[status]])
  if (keySetAt !== undefined) update = update.where('key_set_at', '=', keySetAt)
  const result = await update.executeTakeFirst()
  return result.numUpdatedRows > 0n
}

export async function findConnection(
  db: Kysely<Database>,
  id: string,
  scope: Scope = {},
): Promise<Connection | undefined> {
  const row = await selectConnections(db, scope).where('hostaway_connections.id', '=', id).executeTakeFirst()
  return row === undefined ? undefined : toConnection(row)
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
): Promise<Connection | undefined> {
  const row = await selectConnections(db, { tenantId }).where('channel', '=', 'hostaway').executeTakeFirst()
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

function selectConnections(db: Kysely<Database>, scope: Scope) {
  const query = db
    .selectFrom('hostaway_connections')
    .innerJoin('tenants', 'tenants.id', 'hostaway_connections.tenant_id')
    .selectAll('hostaway_connections')
    .select((eb) => [
      'tenants.slug as tenant_slug',
      // The newest entry of an index; keeping a column up to date would write once per webhook.
      eb
        .selectFrom('webhook_logs')
        .select((inner) => inner.fn.max('received_at').as('received_at'))
        .whereRef('webhook_logs.connection_id', '=', 'hostaway_connections.id')
        .as('last_inbound_at'),
    ])
  return scope.tenantId === undefined
    ? query
    : query.where('hostaway_connections.tenant_id', '=', scope.tenantId)
}

function toConnection(
  row: ConnectionRow & { tenant_slug: string; last_inbound_at: Date | null },
): Connection {
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
    lastInboundAt: row.last_inbound_at,
    lastSyncAt: row.last_sync_at,
    createdAt: row.created_at,
  }
}
