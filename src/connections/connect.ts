import { type Channel, capabilityOf, type IssuedToken } from '../channels/contract/channel.ts'
import { toListingFacts, upsertListings } from '../listings/listing-store.ts'
import type { WebhookAuth } from '../platform/db/tables.ts'
import { Problem } from '../platform/http/problems.ts'
import type { Tenant } from '../tenants/tenant-store.ts'
import { type ChannelDeps, callChannel } from './call-channel.ts'
import { withConnectionLock } from './connection-lock.ts'
import { readConnectionSecrets, replaceHmacSecret, storeAccessToken } from './connection-secret-store.ts'
import { setConnectionStatus } from './connection-status-store.ts'
import {
  type Connection,
  connectAgain,
  existingConnection,
  findConnectionOfTenant,
  insertConnection,
} from './connection-store.ts'
import { takeDown } from './disconnect.ts'
import { explainFailure } from './explain-channel.ts'
import { ensureWebhook, type Patience, webhookUrlOf } from './own-webhook.ts'
import { hmacOverlapMs, makeBasicCredentials, makeSecret, untilAccepted } from './rotate-credentials.ts'

export type ConnectDeps = ChannelDeps & { publicUrl: string }

/** What is undefined stays as it is, or gets its default where the connection is new or was disconnected. */
export type ConnectRequest = {
  /** Undefined: the standard one. */
  channel?: string | undefined
  accountId: string
  apiKey: string
  autoImport?: boolean | undefined
  autoMapListings?: boolean | undefined
  webhookAuth?: WebhookAuth | undefined
  webhookSecret?: string | undefined
  alertingEmailAddress?: string | null | undefined
}

export type ConnectResult = { connection: Connection; created: boolean; webhookSecret: string | undefined }

// A person waits for the answer; a busy window may still open within this time.
const maxWaitMs = 10_000
const patience: Patience = { urgency: 'urgent', maxWaitMs: maxWaitMs }

type Entry = { id: string; created: boolean; token: IssuedToken }

/**
 * Connects a tenant to its account at the channel: tries the key, stores the connection as `connecting`, registers the
 * webhook, reads the listings, makes it `active` and starts its first import. Safe to repeat and to interrupt anywhere:
 * an interrupted connection continues, an active one gets the new key and the named options and keeps its webhook,
 * repaired if it deviates; a disconnected one starts again. Nothing is stored if the key is rejected.
 */
export async function connect(
  deps: ConnectDeps,
  tenant: Tenant,
  request: ConnectRequest,
): Promise<ConnectResult> {
  const channel = request.channel === undefined ? deps.channels.standard : deps.channels.of(request.channel)
  const explain = explainFailure(channel)
  const existing = await findConnectionOfTenant(deps.db, tenant.id, channel.name)
  refuseAnotherAccount(tenant, existing, request)
  const { accountId, apiKey } = request
  const token = await channel.access
    .issue({ accountId, apiKey, countedFor: `unproven ${tenant.id}` }, maxWaitMs)
    .catch(explain)
  const entry =
    existing === undefined
      ? { token, ...(await createConnection(deps, tenant, request, channel)) }
      : { token, id: existing.id, created: false }
  const webhookSecret = await withConnectionLock(deps.locks, entry.id, () =>
    completeConnection(deps, tenant, request, entry),
  ).catch(explain)
  const connection = await existingConnection(deps.db, entry.id)
  if (connection.status === 'active') await deps.reactions.resumed(connection.id)
  return { connection, created: entry.created, webhookSecret }
}

async function completeConnection(
  deps: ConnectDeps,
  tenant: Tenant,
  request: ConnectRequest,
  { id, created, token }: Entry,
): Promise<string | undefined> {
  const before = await existingConnection(deps.db, id)
  refuseAnotherAccount(tenant, before, request)
  if (!created) await reconnect(deps, before, request)
  const connection = await existingConnection(deps.db, id)
  await storeAccessToken(deps.db, deps.vault, id, token, connection.keySetAt)
  const webhookSecret = await makeWebhookSecret(deps, request, connection)
  const repaired = await ensureWebhook(deps, connection, patience)
  await readListings(deps, connection)
  await untilAccepted(deps, id)
  // From `connecting` and `needs_reauth` only: a paused connection stays paused.
  await setConnectionStatus(deps, id, 'active')
  deps.log.info({ connectionId: id, repaired }, 'connection.connected')
  return webhookSecret
}

/** Stores a new connection, or finds the one that the same tenant was faster with by a moment. */
async function createConnection(
  deps: ConnectDeps,
  tenant: Tenant,
  request: ConnectRequest,
  { name: channel, title }: Channel,
): Promise<{ id: string; created: boolean }> {
  const { login, password } = makeBasicCredentials()
  const id = await insertConnection(deps.db, deps.vault, {
    ...withDefaults(request),
    channel,
    accountId: request.accountId,
    apiKey: request.apiKey,
    tenantId: tenant.id,
    webhookUrl: (connectionId) => webhookUrlOf(deps.publicUrl, channel, connectionId),
    webhookLogin: login,
    webhookPassword: password,
    webhookHmacSecret: request.webhookSecret ?? null,
  }).catch((error: unknown) => {
    // Also raised where the same tenant was faster, depending on which index sees it first.
    if (!isAccountTaken(error)) throw error
    return undefined
  })
  if (id !== undefined) return { id, created: true }
  const winner = await findConnectionOfTenant(deps.db, tenant.id, channel)
  if (winner === undefined) throw accountTaken(title)
  refuseAnotherAccount(tenant, winner, request)
  return { id: winner.id, created: false }
}

async function reconnect(deps: ConnectDeps, before: Connection, request: ConnectRequest): Promise<void> {
  // With the old account's key its webhook could not be removed any more.
  if (before.accountId !== request.accountId) await takeDown(deps, before.id, patience)
  const { channel: _, accountId, apiKey, webhookSecret, ...named } = request
  const options = before.status === 'disconnected' ? withDefaults(named) : named
  await connectAgain(deps, before.id, {
    accountId,
    apiKey,
    options,
    webhookUrl: webhookUrlOf(deps.publicUrl, before.channel, before.id),
    credentials: makeBasicCredentials(),
  }).catch((error: unknown) => {
    throw isAccountTaken(error) ? accountTaken(deps.channels.of(before.channel).title) : error
  })
  if (webhookSecret === undefined) return
  await replaceHmacSecret(deps.db, deps.vault, before.id, { secret: webhookSecret, overlapMs: hmacOverlapMs })
}

function withDefaults(named: Omit<ConnectRequest, 'accountId' | 'apiKey'>) {
  return {
    autoImport: named.autoImport ?? false,
    autoMapListings: named.autoMapListings ?? true,
    webhookAuth: named.webhookAuth ?? ('basic' as const),
    alertingEmailAddress: named.alertingEmailAddress ?? null,
  }
}

// Made by the request that finishes, as only its answer shows it: one that stops half way shows nothing.
async function makeWebhookSecret(
  deps: ConnectDeps,
  request: ConnectRequest,
  connection: Connection,
): Promise<string | undefined> {
  if (connection.webhookAuth === 'basic' || request.webhookSecret !== undefined) return undefined
  const secrets = await readConnectionSecrets(deps.db, deps.vault, connection.id)
  if (connection.status !== 'connecting' && secrets?.webhookHmacSecret != null) return undefined
  const secret = makeSecret()
  await replaceHmacSecret(deps.db, deps.vault, connection.id, { secret, overlapMs: 0 })
  return secret
}

async function readListings(deps: ConnectDeps, connection: Connection): Promise<void> {
  const listings = await callChannel(deps, connection, { urgency: 'normal', maxWaitMs }, (channel, call) =>
    capabilityOf(channel, 'listings').list(call),
  )
  await upsertListings(deps.db, connection, listings.map(toListingFacts), connection.autoMapListings)
}

function refuseAnotherAccount(
  tenant: Tenant,
  existing: Connection | undefined,
  { accountId }: ConnectRequest,
): void {
  if (existing === undefined || existing.status === 'disconnected' || existing.accountId === accountId) return
  throw new Problem(
    409,
    'TENANT_ALREADY_CONNECTED',
    `Tenant ${tenant.slug} is connected to account ${existing.accountId}; disconnect it first`,
  )
}

function accountTaken(title: string): Problem {
  return new Problem(409, 'ACCOUNT_ALREADY_CONNECTED', `This ${title} account is connected to another tenant`)
}

function isAccountTaken(error: unknown): boolean {
  return (
    error instanceof Error &&
    'constraint' in error &&
    error.constraint === 'hostaway_connections_one_tenant_per_account'
  )
}
