import { setTimeout as delay } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type {
  CallContext,
  CallOptions,
  Channel,
  Channels,
  IssuedToken,
} from '../channels/contract/channel.ts'
import type { Locks } from '../platform/db/locks.ts'
import type { Database } from '../platform/db/tables.ts'
import { AppError } from '../platform/errors.ts'
import type { Logger } from '../platform/telemetry/logger.ts'
import type { Vault } from '../platform/vault/vault.ts'
import type { Reactions } from './connection-reactions.ts'
import {
  readAccessToken,
  readConnectionSecrets,
  type StoredAccessToken,
  storeAccessToken,
} from './connection-secret-store.ts'
import { setConnectionStatus } from './connection-status-store.ts'
import type { Connection } from './connection-store.ts'

export type ChannelDeps = {
  db: Kysely<Database>
  locks: Locks
  vault: Vault
  channels: Channels
  log: Logger
  reactions: Reactions
}

export type CalledConnection = Pick<Connection, 'id' | 'accountId' | 'channel'>

const deferMs = 1_000
const waitForKeyMs = 60_000
const maxUnusableMs = 1_100

/**
 * Makes calls on behalf of a connection, with its access token. After `forbidden` the token is renewed once and `use` is
 * repeated, so it must be safe to repeat then. A second `forbidden` is about this call only, unless the channel refuses
 * a plain read as well: then the connection needs a new key (`needs_reauth`).
 */
export async function callChannel<Result>(
  deps: ChannelDeps,
  connection: CalledConnection,
  how: CallOptions,
  use: (channel: Channel, call: CallContext) => Promise<Result>,
): Promise<Result> {
  const channel = deps.channels.of(connection.channel)
  const callWith = (token: string) => use(channel, { accountId: connection.accountId, token, ...how })
  const stored = await readAccessToken(deps.db, deps.vault, connection.id)
  const token =
    stored !== undefined && stored.expiresAt.getTime() > Date.now()
      ? await untilUsable(stored)
      : (await renewAccessToken(deps, connection, stored?.token)).token
  try {
    return await callWith(token)
  } catch (error) {
    if (!isForbidden(error)) throw error
    const renewed = await renewAccessToken(deps, connection, token)
    try {
      return await callWith(renewed.token)
    } catch (again) {
      if (isForbidden(again)) await suspendIfReadsAreForbidden(deps, connection, renewed)
      throw again
    }
  }
}

// One renewal at a time over all processes, and only while the stored token is still the one that failed.
async function renewAccessToken(
  deps: ChannelDeps,
  connection: CalledConnection,
  failedToken: string | undefined,
): Promise<StoredAccessToken> {
  const locked = await deps.locks.tryWith(`access-token:${connection.id}`, async () => {
    const stored = await readAccessToken(deps.db, deps.vault, connection.id)
    if (stored !== undefined && stored.token !== failedToken && stored.expiresAt.getTime() > Date.now()) {
      return stored
    }
    const secrets = await readConnectionSecrets(deps.db, deps.vault, connection.id)
    if (secrets?.apiKey == null) throw new AppError('credentials_rejected', 'The connection has no API key')
    const { apiKey, keySetAt } = secrets
    const { access } = deps.channels.of(connection.channel)
    const fresh = await access
      .issue({ accountId: connection.accountId, apiKey }, 0)
      .catch((error: unknown) => suspendIfRejected(deps, connection, keySetAt, error))
    await storeAccessToken(deps.db, deps.vault, connection.id, fresh, keySetAt)
    return { ...fresh, keySetAt }
  })
  if (locked === undefined) {
    throw new AppError('token_renewing', 'Another process is renewing the access token', {
      retryAt: new Date(Date.now() + deferMs),
    })
  }
  const renewed = locked.result
  await untilUsable(renewed)
  return renewed
}

// Work that waits for a new key is deferred, not lost.
async function suspendIfRejected(
  deps: ChannelDeps,
  { id, channel }: CalledConnection,
  keySetAt: Date,
  error: unknown,
): Promise<never> {
  const { title } = deps.channels.of(channel)
  if (!(error instanceof AppError && error.kind === 'credentials_rejected')) throw error
  await suspend(deps, id, keySetAt, `${title} rejects the API key`)
  throw new AppError('connection_waiting', `${title} rejects the API key; the connection needs a new one`, {
    retryAt: new Date(Date.now() + waitForKeyMs),
  })
}

async function suspendIfReadsAreForbidden(
  deps: ChannelDeps,
  connection: CalledConnection,
  { token, keySetAt }: StoredAccessToken,
): Promise<void> {
  const channel = deps.channels.of(connection.channel)
  try {
    await channel.access.check({ accountId: connection.accountId, token, urgency: 'urgent' })
  } catch (error) {
    if (!isForbidden(error)) return
    await suspend(deps, connection.id, keySetAt, `${channel.title} forbids plain reads with a fresh token`)
  }
}

// A key that was replaced meanwhile is not judged by what became of the old one.
async function suspend(
  deps: ChannelDeps,
  connectionId: string,
  keySetAt: Date,
  reason: string,
): Promise<void> {
  if (await setConnectionStatus(deps, connectionId, 'needs_reauth', { reason, keySetAt })) {
    deps.log.error({ connectionId, reason }, 'connection.needs_reauth')
  }
}

async function untilUsable(token: IssuedToken): Promise<string> {
  const waitMs = Math.min(token.usableAt.getTime() - Date.now(), maxUnusableMs)
  if (waitMs > 0) await delay(waitMs)
  return token.token
}

function isForbidden(error: unknown): boolean {
  return error instanceof AppError && error.kind === 'forbidden'
}
