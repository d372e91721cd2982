import { dayMs } from '../platform/days.ts'
import { AppError, factsOf } from '../platform/errors.ts'
import type { ChannelDeps } from './call-channel.ts'
import { withConnectionLock } from './connection-lock.ts'
import { eraseSecrets, readAccessToken } from './connection-secret-store.ts'
import { setConnectionStatus, setWebhookCheckDue } from './connection-status-store.ts'
import { type Connection, findConnection } from './connection-store.ts'
import { isChannelAway } from './explain-channel.ts'
import { type Patience, removeOwnWebhooks } from './own-webhook.ts'

const requested: Patience = { urgency: 'urgent', maxWaitMs: 10_000 }
const tryAgainAfterMs = 60_000
const maxDisconnectingMs = 7 * dayMs

/**
 * Ends a connection. From the first step on it takes no webhooks and pushes nothing; then its webhook is removed, its
 * access token revoked and its secrets erased, in this order, as without them the webhook could not be removed. What
 * the channel does not let us do now is done with a later look at its webhook. Safe to repeat and to interrupt anywhere.
 */
export async function disconnect(deps: ChannelDeps, connection: Connection): Promise<void> {
  if (await setConnectionStatus(deps, connection.id, 'disconnected')) {
    deps.log.info({ connectionId: connection.id }, 'connection.disconnected')
  }
  try {
    await withConnectionLock(deps.locks, connection.id, () => takeDown(deps, connection.id, requested))
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    await setWebhookCheckDue(deps.db, connection.id, tryAgainAfterMs)
    deps.log.warn({ err: error, connectionId: connection.id }, 'connection.disconnecting')
  }
}

/** The remaining steps of disconnecting; the caller holds the connection's lock. Rejects while the channel is down, with everything kept. */
export async function takeDown(deps: ChannelDeps, connectionId: string, patience: Patience): Promise<void> {
  const connection = await findConnection(deps.db, connectionId)
  if (connection?.disconnectingSince == null) return
  const goOn = goOnUnlessItMayStillWork(deps, connection, connection.disconnectingSince)
  const isRemoved = await removeOwnWebhooks(deps, connection, patience).then(() => true, goOn)
  await revokeAccessToken(deps, connection, patience).catch(goOn)
  const reason = isRemoved
    ? null
    : `The webhook ${connection.webhookExternalId ?? 'of this connection'} could not be removed at ${deps.channels.of(connection.channel).title}; remove it there if it is still listed`
  await eraseSecrets(deps.db, connectionId, { reason })
  deps.log.info({ connectionId, reason }, 'connection.erased')
}

function goOnUnlessItMayStillWork(deps: ChannelDeps, { id }: Connection, since: Date) {
  return (error: unknown): false => {
    // A key that is worth nothing or cannot be read will be no better the next time, nor will a call that was refused.
    const isFinal = error instanceof AppError && ['call', 'connection'].includes(factsOf(error).blames)
    const isTooLate = error instanceof AppError && Date.now() - since.getTime() > maxDisconnectingMs
    if (!isFinal && !isTooLate) throw error
    deps.log.warn({ err: error, connectionId: id }, 'connection.left_behind')
    return false
  }
}

async function revokeAccessToken(
  deps: ChannelDeps,
  { id, accountId, channel }: Connection,
  { maxWaitMs = 0 }: Patience,
): Promise<void> {
  const stored = await readAccessToken(deps.db, deps.vault, id)
  if (stored === undefined) return
  await deps.channels
    .of(channel)
    .access.revoke({ accountId, token: stored.token }, maxWaitMs)
    .catch((error: unknown) => {
      // Any other answer means that the token is worth nothing already.
      if (!(error instanceof AppError) || isChannelAway(error)) throw error
    })
}
