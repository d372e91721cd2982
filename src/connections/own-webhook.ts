import { setTimeout as delay } from 'node:timers/promises'
import {
  type CallContext,
  type CallOptions,
  capabilityOf,
  type WebhookCapability,
} from '../channels/contract/channel.ts'
import type { WebhookDeviation, WebhookRegistration, WebhookTarget } from '../channels/contract/webhook.ts'
import { AppError } from '../platform/errors.ts'
import { type ChannelDeps, callChannel } from './call-channel.ts'
import { promoteNextCredentials, readWebhookCredentials } from './connection-secret-store.ts'
import { noteWebhook, setWebhookCheckDue } from './connection-status-store.ts'
import type { Connection } from './connection-store.ts'

/** What was not as it should be about the webhook of a connection. */
export type WebhookFinding = 'missing' | 'duplicate' | WebhookDeviation

export type Patience = Pick<CallOptions, 'urgency' | 'maxWaitMs'>

/** Where the webhooks of a connection are delivered. The id in it is what tells ours from other people's. */
export function webhookUrlOf(publicUrl: string, channel: string, connectionId: string): string {
  return `${publicUrl}/webhooks/${channel}/${connectionId}`
}

const checkEveryMs = 3_600_000
// A registration that was not answered may still take effect: then there are two, and one of them is removed.
const checkAfterCreatingMs = 60_000
// Deliveries that were under way when the channel got new credentials still carry the old ones.
const inFlightMs = 2_000

/**
 * Makes the channel hold exactly one webhook of the connection: enabled, with its address and its newest credentials, and
 * leaves all others alone. Returns the repairs made. The caller holds the connection's lock; safe to repeat and to interrupt
 * anywhere. It is one call where all is well.
 */
export async function ensureWebhook(
  deps: ChannelDeps,
  connection: Connection,
  patience: Patience,
): Promise<WebhookFinding[]> {
  const { current, next, unseenMs } = await readWebhookCredentials(deps.db, deps.vault, connection.id)
  const seenAt = Date.now() + unseenMs
  const credentials = next ?? current
  if (credentials === undefined) throw new Error(`connection ${connection.id} has no webhook credentials`)
  const target: WebhookTarget = {
    url: connection.webhookUrl,
    alertingEmailAddress: connection.alertingEmailAddress,
    ...credentials,
  }
  const ask = askFor(deps, connection, patience)
  const [kept, ...others] = await findOwnWebhooks(deps, connection, patience)
  const findings: WebhookFinding[] =
    kept === undefined ? ['missing'] : webhooksOf(deps, connection).deviations(kept, target)
  // What the channel sends from now on must be accepted by every process.
  if (findings.length > 0) await delay(Math.max(0, seenAt - Date.now()))

  async function create(): Promise<{ externalId: string; checkInMs: number }> {
    await setWebhookCheckDue(deps.db, connection.id, checkAfterCreatingMs)
    const { id } = await ask((webhooks, call) => webhooks.create(call, target))
    return { externalId: id, checkInMs: checkAfterCreatingMs }
  }
  async function update(id: string): Promise<{ externalId: string; checkInMs: number }> {
    try {
      await ask((webhooks, call) => webhooks.update(call, id, target))
      return { externalId: id, checkInMs: checkEveryMs }
    } catch (error) {
      if (!isGone(error)) throw error
      return create()
    }
  }

  const webhook =
    kept === undefined
      ? await create()
      : findings.length > 0
        ? await update(kept.id)
        : { externalId: kept.id, checkInMs: checkEveryMs }
  for (const { id } of others) await removeWebhook(deps, connection, patience, id)
  await noteWebhook(deps.db, connection.id, webhook)
  if (others.length > 0) findings.push('duplicate')
  if (next === undefined) return findings
  await delay(inFlightMs)
  await promoteNextCredentials(deps.db, deps.vault, connection.id)
  // It had the old ones because it was not given the new ones yet.
  return findings.filter((finding) => finding !== 'credentials')
}

/** Removes every webhook of the connection at the channel, and no other; safe to repeat. */
export async function removeOwnWebhooks(
  deps: ChannelDeps,
  connection: Connection,
  patience: Patience,
): Promise<void> {
  for (const { id } of await findOwnWebhooks(deps, connection, patience)) {
    await removeWebhook(deps, connection, patience, id)
  }
}

/** The webhooks at the channel that are the connection's, the one it knows of first. */
export async function findOwnWebhooks(
  deps: ChannelDeps,
  connection: Connection,
  patience: Patience,
): Promise<WebhookRegistration[]> {
  const found = await askFor(deps, connection, patience)((webhooks, call) => webhooks.list(call))
  const isKnown = ({ id }: WebhookRegistration) => id === connection.webhookExternalId
  const path = new URL(webhookUrlOf('http://any', connection.channel, connection.id)).pathname
  const isDelivered = ({ url }: WebhookRegistration) => URL.parse(url)?.pathname.endsWith(path) === true
  return [...found.filter(isKnown), ...found.filter((webhook) => !isKnown(webhook) && isDelivered(webhook))]
}

async function removeWebhook(
  deps: ChannelDeps,
  connection: Connection,
  patience: Patience,
  id: string,
): Promise<void> {
  try {
    await askFor(deps, connection, patience)((webhooks, call) => webhooks.remove(call, id))
  } catch (error) {
    if (!isGone(error)) throw error
  }
}

function askFor(deps: ChannelDeps, connection: Connection, patience: Patience) {
  return <Result>(
    ask: (webhooks: WebhookCapability, call: CallContext) => Promise<Result>,
  ): Promise<Result> =>
    callChannel(deps, connection, patience, (channel, call) => ask(capabilityOf(channel, 'webhooks'), call))
}

function webhooksOf({ channels }: ChannelDeps, { channel }: Connection): WebhookCapability {
  return capabilityOf(channels.of(channel), 'webhooks')
}

function isGone(error: unknown): boolean {
  return error instanceof AppError && error.kind === 'not_found'
}
