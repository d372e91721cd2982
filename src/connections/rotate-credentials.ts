import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { BasicCredentials } from '../channels/contract/channel.ts'
import { dayMs } from '../platform/days.ts'
import type { ChannelDeps } from './call-channel.ts'
import { withConnectionLock } from './connection-lock.ts'
import {
  keepNextCredentials,
  readConnectionSecrets,
  readWebhookCredentials,
  replaceHmacSecret,
} from './connection-secret-store.ts'
import { existingConnection } from './connection-store.ts'
import { ensureWebhook, type Patience } from './own-webhook.ts'

/** How long a replaced HMAC secret is still accepted by default. */
export const hmacOverlapMs = dayMs

const patience: Patience = { urgency: 'urgent', maxWaitMs: 10_000 }

export type Rotation = {
  /** A new HMAC secret of the caller's own; one is made where the connection has one and this is undefined. */
  webhookSecret: string | undefined
  /** For how long the HMAC secret before is still accepted: a person has to carry the new one to the gateway. */
  overlapMs: number
}

/** Fresh random credentials. */
export function makeBasicCredentials(): BasicCredentials {
  return { login: `tvl-${randomBytes(9).toString('base64url')}`, password: makeSecret() }
}

export function makeSecret(): string {
  return randomBytes(32).toString('base64url')
}

/**
 * Gives the channel new Basic credentials, and the connection a new HMAC secret if it uses one; returns the secret if it
 * was made here. Both pairs are accepted until the channel has the new one. An interrupted rotation continues with
 * the pair it had made, at the next call or with the next look of the upkeep.
 */
export async function rotateCredentials(
  deps: ChannelDeps,
  connectionId: string,
  { webhookSecret, overlapMs }: Rotation,
): Promise<string | undefined> {
  return withConnectionLock(deps.locks, connectionId, async () => {
    await keepNextCredentials(deps.db, deps.vault, connectionId, makeBasicCredentials())
    await ensureWebhook(deps, await existingConnection(deps.db, connectionId), patience)
    const secrets = await readConnectionSecrets(deps.db, deps.vault, connectionId)
    if (webhookSecret === undefined && secrets?.webhookHmacSecret == null) return undefined
    // Last of all: only the answer to this request shows it.
    const secret = webhookSecret ?? makeSecret()
    await replaceHmacSecret(deps.db, deps.vault, connectionId, { secret, overlapMs })
    await untilAccepted(deps, connectionId)
    return webhookSecret === undefined ? secret : undefined
  })
}

/**
 * Waits until every process accepts webhooks by the last change, at most a second. A caller with an answer uses
 * it at once, and a webhook that is refused then does not come again.
 */
export async function untilAccepted(
  { db, vault }: Pick<ChannelDeps, 'db' | 'vault'>,
  connectionId: string,
): Promise<void> {
  await delay((await readWebhookCredentials(db, vault, connectionId)).unseenMs)
}
