import { setTimeout as delay } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { HostawayClient } from '../channels/hostaway/client.ts'
import type { Database } from '../platform/db/tables.ts'
import { AppError } from '../platform/errors.ts'
import type { Logger } from '../platform/telemetry/logger.ts'
import type { Vault } from '../platform/vault/vault.ts'
import {
  type NewAccessToken,
  readAccessToken,
  type StoredAccessToken,
  storeAccessToken,
  tryLockAccessToken,
} from './access-token-store.ts'
import { setConnectionStatus } from './connection-status-store.ts'
import { type Connection, readConnectionSecrets } from './connection-store.ts'

export type AccessTokenDeps = { db: Kysely<Database>; vault: Vault; client: HostawayClient; log: Logger }

// Hostaway asks to wait a second before a new token is used; an earlier call may answer 403.
const usableAfterMs = 1_100
const maxMarginMs = 300_000
const deferMs = 1_000
const waitForKeyMs = 60_000

/**
 * Makes a call with the connection's access token. A 403 renews the token once and repeats the call, so the
 * call must be safe to repeat after a 403; a second one is `forbidden` for this call only, unless Hostaway
 * refuses a plain read as well: then the connection needs a new key (`needs_reauth`).
 */
export async function withAccessToken<Result>(
  deps: AccessTokenDeps,
  connection: Pick<Connection, 'id' | 'accountId'>,
  call: (token: string) => Promise<Result>,
): Promise<Result> {
  const stored = await readAccessToken(deps.db, deps.vault, connection.id)
  const token =
    stored !== undefined && stored.expiresAt.getTime() > Date.now()
      ? await untilUsable(stored)
      : (await renewAccessToken(deps, connection, stored?.token)).token
  try {
    return await call(token)
  } catch (error) {
    if (!isForbidden(error)) throw error
    const renewed = await renewAccessToken(deps, connection, token)
    try {
      return await call(renewed.token)
    } catch (again) {
      if (isForbidden(again)) await suspendIfReadsAreForbidden(deps, connection, renewed)
      throw again
    }
  }
}

/** Exchanges an API key for a token; `credentials_rejected` where Hostaway does not know the pair. */
export async function exchangeApiKey(
  client: HostawayClient,
  credentials: { accountId: string; apiKey: string },
  maxWaitMs: number,
): Promise<NewAccessToken> {
  const { accessToken, expiresInSeconds } = await client.requestAccessToken({ ...credentials, maxWaitMs })
  const now = Date.now()
  const lifetimeMs = expiresInSeconds * 1_000
  return {
    token: accessToken,
    usableAt: new Date(now + usableAfterMs),
    expiresAt: new Date(now + lifetimeMs - Math.min(maxMarginMs, lifetimeMs / 10)),
  }
}

// One renewal at a time over all processes, and only while the stored token is still the one that failed.
async function renewAccessToken(
  deps: AccessTokenDeps,
  connection: Pick<Connection, 'id' | 'accountId'>,
  failedToken: string | undefined,
): Promise<StoredAccessToken> {
  const renewed = await deps.db.transaction().execute(async (trx) => {
    if (!(await tryLockAccessToken(trx, connection.id))) {
      throw new AppError('token_renewing', 'Another process is renewing the access token', {
        retryAt: new Date(Date.now() + deferMs),
      })
    }
    const stored = await readAccessToken(trx, deps.vault, connection.id)
    if (stored !== undefined && stored.token !== failedToken && stored.expiresAt.getTime() > Date.now()) {
      return stored
    }
    const secrets = await readConnectionSecrets(trx, deps.vault, connection.id)
    if (secrets?.apiKey == null) throw new AppError('credentials_rejected', 'The connection has no API key')
    const { apiKey, keySetAt } = secrets
    const fresh = await exchangeApiKey(deps.client, { accountId: connection.accountId, apiKey }, 0).catch(
      (error: unknown) => suspendIfRejected(deps, connection.id, keySetAt, error),
    )
    await storeAccessToken(trx, deps.vault, connection.id, fresh, keySetAt)
    return { ...fresh, keySetAt }
  })
  await untilUsable(renewed)
  return renewed
}

// What waits for a new key is not lost: it comes back when there is one.
async function suspendIfRejected(
  deps: AccessTokenDeps,
  connectionId: string,
  keySetAt: Date,
  error: unknown,
): Promise<never> {
  if (!(error instanceof AppError && error.kind === 'credentials_rejected')) throw error
  await suspend(deps, connectionId, keySetAt, 'Hostaway rejects the API key')
  throw new AppError('connection_waiting', 'Hostaway rejects the API key; the connection needs a new one', {
    retryAt: new Date(Date.now() + waitForKeyMs),
  })
}

async function suspendIfReadsAreForbidden(
  deps: AccessTokenDeps,
  connection: Pick<Connection, 'id' | 'accountId'>,
  { token, keySetAt }: StoredAccessToken,
): Promise<void> {
  try {
    await deps.client.checkAccess({ accountId: connection.accountId, token, urgency: 'urgent' })
  } catch (error) {
    if (!isForbidden(error)) return
    await suspend(deps, connection.id, keySetAt, 'Hostaway forbids plain reads with a fresh token')
  }
}

// A key that was replaced meanwhile is not judged by what became of the old one.
async function suspend(
  deps: AccessTokenDeps,
  connectionId: string,
  keySetAt: Date,
  reason: string,
): Promise<void> {
  if (await setConnectionStatus(deps.db, connectionId, 'needs_reauth', { reason, keySetAt })) {
    deps.log.error({ connectionId, reason }, 'connection.needs_reauth')
  }
}

async function untilUsable(token: NewAccessToken): Promise<string> {
  const waitMs = Math.min(token.usableAt.getTime() - Date.now(), usableAfterMs)
  if (waitMs > 0) await delay(waitMs)
  return token.token
}

function isForbidden(error: unknown): boolean {
  return error instanceof AppError && error.kind === 'forbidden'
}
