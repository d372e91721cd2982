import type { WebhookAuth } from '../platform/db/tables.ts'
import { AppError } from '../platform/errors.ts'
import { Problem } from '../platform/http/problems.ts'
import type { ChannelDeps } from './call-channel.ts'
import { withConnectionLock } from './connection-lock.ts'
import { readConnectionSecrets, replaceHmacSecret } from './connection-secret-store.ts'
import {
  type Connection,
  type ConnectionOptions,
  changeOptions,
  findConnection,
  type SyncPart,
} from './connection-store.ts'
import { ensureWebhook } from './own-webhook.ts'
import { disconnectedProblem } from './require-connection.ts'
import { hmacOverlapMs, makeSecret, untilAccepted } from './rotate-credentials.ts'

export type ConnectionChange = {
  autoImport?: boolean
  autoMapListings?: boolean
  webhookAuth?: WebhookAuth
  webhookSecret?: string
  alertingEmailAddress?: string | null
  sync?: Partial<Record<SyncPart, { enabled?: boolean; cron?: string | null }>>
  rateLimit?: { rpm: number; burst?: number } | null
}

const maxWaitMs = 2_000

/**
 * Changes the named options; safe to repeat. A changed address for alerts is sent to the channel at once if it answers, and
 * otherwise by the next look at the webhook.
 */
export async function changeConnection(
  deps: ChannelDeps,
  connection: Connection,
  change: ConnectionChange,
): Promise<{ changed: Connection; webhookSecret: string | undefined }> {
  const { id } = connection
  if (connection.status === 'disconnected') throw disconnectedProblem()
  const webhookSecret = await secretFor(deps, connection, change)
  const secret = change.webhookSecret ?? webhookSecret
  if (secret !== undefined) {
    await replaceHmacSecret(deps.db, deps.vault, id, { secret, overlapMs: hmacOverlapMs })
  }
  await changeOptions(deps.db, id, optionsOf(change))
  if (secret !== undefined || change.webhookAuth !== undefined) await untilAccepted(deps, id)
  if (change.alertingEmailAddress !== undefined) await updateWebhook(deps, id)
  if (change.sync !== undefined) await deps.reactions.resumed(id)
  return { changed: (await findConnection(deps.db, id)) ?? connection, webhookSecret }
}

function optionsOf({ rateLimit, webhookSecret: _, ...options }: ConnectionChange): ConnectionOptions {
  if (rateLimit === undefined) return options
  return { ...options, rateLimit: { perMinute: rateLimit?.rpm ?? null, burst: rateLimit?.burst ?? null } }
}

// A mode that needs a secret the connection does not have would refuse everything.
async function secretFor(
  deps: ChannelDeps,
  { id }: Connection,
  { webhookAuth = 'basic', webhookSecret }: ConnectionChange,
): Promise<string | undefined> {
  if (webhookAuth === 'basic' || webhookSecret !== undefined) return undefined
  const secrets = await readConnectionSecrets(deps.db, deps.vault, id)
  return secrets?.webhookHmacSecret == null ? makeSecret() : undefined
}

async function updateWebhook(deps: ChannelDeps, id: string): Promise<void> {
  try {
    await withConnectionLock(deps.locks, id, async () => {
      const connection = await findConnection(deps.db, id)
      if (connection?.status !== 'active' && connection?.status !== 'paused') return
      await ensureWebhook(deps, connection, { urgency: 'urgent', maxWaitMs: maxWaitMs })
    })
  } catch (error) {
    if (!(error instanceof AppError || error instanceof Problem)) throw error
    deps.log.warn({ err: error, connectionId: id }, 'connection.change_not_sent')
  }
}
