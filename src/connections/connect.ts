import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { withLeaderLock } from '../db/leader-lock.ts'
import type { Database, WebhookAuth } from '../db/tables.ts'
import { AppError, type FailureKind } from '../errors.ts'
import type { HostawayClient } from '../hostaway/client.ts'
import { Problem } from '../http/problems.ts'
import { toListingFacts, upsertListings } from '../listings/listing-store.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Tenant } from '../tenants/tenant-store.ts'
import type { Vault } from '../vault.ts'
import { exchangeApiKey, withAccessToken } from './access-token.ts'
import { storeAccessToken } from './access-token-store.ts'
import {
  type Connection,
  findConnection,
  findConnectionOfTenant,
  insertConnection,
  readConnectionSecrets,
  replaceApiKey,
  setConnectionStatus,
  setWebhookExternalId,
  setWebhookHmacSecret,
} from './connection-store.ts'

export type ConnectDeps = {
  db: Kysely<Database>
  vault: Vault
  client: HostawayClient
  publicUrl: string
  log: Logger
}

export type ConnectRequest = {
  accountId: string
  apiKey: string
  autoImport: boolean
  autoMapListings: boolean
  webhookAuth: WebhookAuth
  webhookSecret: string | undefined
  alertingEmailAddress: string | null
}

export type ConnectResult = { connection: Connection; created: boolean; webhookSecret: string | undefined }

// Somebody waits for the answer; a busy window may still open within this.
const longestWaitMs = 10_000
const longestTurnMs = 20_000
const turnCheckMs = 100

/**
 * Connects a tenant to its Hostaway account: proves the key, stores the connection as `connecting`, registers the
 * webhook, reads the listings, and makes it `active`. Safe to repeat: a connection that stopped half way goes on,
 * an active one gets the new key and keeps its webhook. Nothing is stored where the key is rejected.
 */
export async function connect(
  deps: ConnectDeps,
  tenant: Tenant,
  request: ConnectRequest,
): Promise<ConnectResult> {
  const existing = await findConnectionOfTenant(deps.db, tenant.id)
  if (existing !== undefined && existing.accountId !== request.accountId) {
    throw connectedElsewhere(tenant, existing)
  }
  const token = await exchangeApiKey(deps.client, request, longestWaitMs).catch(explainHostaway)
  const { id, created } = await storeConnection(deps, tenant, request, existing)
  const { keySetAt } = await requireConnection(deps, id)
  await storeAccessToken(deps.db, deps.vault, id, token, keySetAt)
  const webhookSecret = await oneAtATime(deps, id, async () => {
    const connection = await requireConnection(deps, id)
    const made = await makeWebhookSecret(deps, request, connection)
    await finishConnecting(deps, connection)
    return made
  }).catch(explainHostaway)
  return { connection: await requireConnection(deps, id), created, webhookSecret }
}

async function storeConnection(
  deps: ConnectDeps,
  tenant: Tenant,
  request: ConnectRequest,
  existing: Connection | undefined,
): Promise<{ id: string; created: boolean }> {
  if (existing !== undefined) {
    await replaceApiKey(deps.db, deps.vault, existing.id, request.apiKey)
    if (request.webhookSecret !== undefined) {
      await setWebhookHmacSecret(deps.db, deps.vault, existing.id, request.webhookSecret)
    }
    return { id: existing.id, created: false }
  }
  const id = await insertConnection(deps.db, deps.vault, {
    ...request,
    tenantId: tenant.id,
    webhookUrl: (connectionId) => `${deps.publicUrl}/webhooks/hostaway/${connectionId}`,
    webhookLogin: `tvl-${randomBytes(9).toString('base64url')}`,
    webhookPassword: randomSecret(),
    webhookHmacSecret: request.webhookSecret ?? null,
  }).catch((error: unknown) => {
    // Also raised where the same tenant was faster by a moment, depending on which index sees it first.
    if (!isAccountTaken(error)) throw error
    return undefined
  })
  if (id !== undefined) return { id, created: true }
  const winner = await findConnectionOfTenant(deps.db, tenant.id)
  if (winner === undefined) {
    throw new Problem(
      409,
      'ACCOUNT_ALREADY_CONNECTED',
      'This Hostaway account is connected to another tenant',
    )
  }
  if (winner.accountId !== request.accountId) throw connectedElsewhere(tenant, winner)
  return storeConnection(deps, tenant, request, winner)
}

function connectedElsewhere(tenant: Tenant, { accountId }: Connection): Problem {
  return new Problem(
    409,
    'TENANT_ALREADY_CONNECTED',
    `Tenant ${tenant.slug} is connected to account ${accountId}; disconnect it first`,
  )
}

// Made by the request that finishes, as only its answer shows it: one that stops half way shows nothing.
async function makeWebhookSecret(
  deps: ConnectDeps,
  request: ConnectRequest,
  connection: Connection,
): Promise<string | undefined> {
  const finished = connection.status !== 'connecting' || connection.webhookAuth === 'basic'
  if (finished || request.webhookSecret !== undefined) return undefined
  const secret = randomSecret()
  await setWebhookHmacSecret(deps.db, deps.vault, connection.id, secret)
  return secret
}

async function finishConnecting(deps: ConnectDeps, connection: Connection): Promise<void> {
  if (connection.webhookExternalId === null) await registerWebhook(deps, connection)
  const listings = await withAccessToken(deps, connection, (token) =>
    deps.client.listListings({
      accountId: connection.accountId,
      token,
      urgency: 'normal',
      maxWaitMs: longestWaitMs,
    }),
  )
  await upsertListings(deps.db, connection, listings.map(toListingFacts), connection.autoMapListings)
  // From `connecting` and `needs_reauth` only: a paused connection stays paused.
  await setConnectionStatus(deps.db, connection.id, 'active')
  deps.log.info({ connectionId: connection.id, listings: listings.length }, 'connection.connected')
}

// Two requests that both find no webhook would both register one. Whoever waits holds no database connection.
async function oneAtATime<Result>(
  deps: ConnectDeps,
  connectionId: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const deadline = Date.now() + longestTurnMs
  for (;;) {
    const turn = await withLeaderLock(deps.db, `connect:${connectionId}`, async () => ({
      result: await work(),
    }))
    if (turn !== undefined) return turn.result
    if (Date.now() > deadline) {
      throw new Problem(503, 'CONNECTION_BUSY', 'Another request is connecting this tenant; try again')
    }
    await delay(turnCheckMs)
  }
}

// Looks for its own URL first: an earlier try may have registered it and died before it could note the id.
async function registerWebhook(deps: ConnectDeps, connection: Connection): Promise<void> {
  const secrets = await readConnectionSecrets(deps.db, deps.vault, connection.id)
  if (secrets?.webhookLogin == null || secrets.webhookPassword === null) {
    throw new Error(`connection ${connection.id} has no webhook credentials`)
  }
  const registration = {
    url: connection.webhookUrl,
    login: secrets.webhookLogin,
    password: secrets.webhookPassword,
    alertingEmailAddress: connection.alertingEmailAddress,
  }
  const webhookId = await withAccessToken(deps, connection, async (token) => {
    const call = {
      accountId: connection.accountId,
      token,
      urgency: 'urgent' as const,
      maxWaitMs: longestWaitMs,
    }
    const own = (await deps.client.listWebhooks(call)).find(({ url }) => url === connection.webhookUrl)
    const registered =
      own === undefined
        ? await deps.client.createWebhook(call, registration)
        : await deps.client.updateWebhook(call, own.id, registration)
    return registered.id
  })
  await setWebhookExternalId(deps.db, connection.id, webhookId)
}

async function requireConnection(deps: ConnectDeps, id: string): Promise<Connection> {
  const connection = await findConnection(deps.db, id)
  if (connection === undefined) throw new Error(`connection ${id} vanished while it was being connected`)
  return connection
}

const hostawayIsAway = new Set<FailureKind>([
  'network',
  'timeout',
  'hostaway_unavailable',
  'malformed_response',
  'breaker_open',
  'rate_limited',
  'token_renewing',
])

function explainHostaway(error: unknown): never {
  if (error instanceof AppError) {
    if (error.kind === 'credentials_rejected') {
      throw new Problem(
        422,
        'HOSTAWAY_CREDENTIALS_REJECTED',
        'Hostaway does not accept this account id with this API key; create a key in Hostaway under Settings → Hostaway API',
      )
    }
    if (hostawayIsAway.has(error.kind)) {
      throw new Problem(
        503,
        'HOSTAWAY_UNAVAILABLE',
        `Hostaway cannot be reached at the moment: ${error.message}`,
      )
    }
    throw new Problem(502, 'HOSTAWAY_REFUSED', `Hostaway refused a step of connecting: ${error.message}`)
  }
  throw error
}

function isAccountTaken(error: unknown): boolean {
  return (
    error instanceof Error &&
    'constraint' in error &&
    error.constraint === 'hostaway_connections_one_tenant_per_account'
  )
}

function randomSecret(): string {
  return randomBytes(32).toString('base64url')
}
