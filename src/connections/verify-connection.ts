import { capabilityOf } from '../channels/contract/channel.ts'
import type { ConnectionStatus } from '../platform/db/tables.ts'
import { toAppError } from '../platform/errors.ts'
import { type ChannelDeps, callChannel } from './call-channel.ts'
import { readWebhookCredentials } from './connection-secret-store.ts'
import { readHabit, setConnectionStatus } from './connection-status-store.ts'
import { type Connection, findConnection } from './connection-store.ts'
import { findOwnWebhooks, type Patience } from './own-webhook.ts'

export type CheckName = 'token' | 'webhookRegistered' | 'webhookEnabled' | 'lastInbound' | 'backlog' | 'drift'
export type Check = { name: CheckName; ok: boolean; detail: string }

const patience: Patience = { urgency: 'urgent', maxWaitMs: 5_000 }
const longBacklogSeconds = 60

/** Looks at a connection from both sides, in two calls. Never fails because of what it finds. */
export async function verifyConnection(
  deps: ChannelDeps,
  connection: Connection,
): Promise<{ ok: boolean; status: ConnectionStatus; checks: Check[] }> {
  const token = await checkToken(deps, connection)
  const checks = [
    token,
    ...(token.ok
      ? await checkWebhook(deps, connection)
      : unknownWebhook(`${titleOf(deps, connection)} could not be asked`)),
    await checkLastInbound(deps, connection),
    ...(await checkBacklog(deps, connection)),
  ]
  const { status } = (await findConnection(deps.db, connection.id)) ?? connection
  return { ok: checks.every(({ ok }) => ok), status, checks }
}

async function checkToken(deps: ChannelDeps, connection: Connection): Promise<Check> {
  const { id, keySetAt } = connection
  try {
    await callChannel(deps, connection, patience, (channel, call) => channel.access.check(call))
  } catch (error) {
    return { name: 'token', ok: false, detail: toAppError(error).message }
  }
  if (connection.status === 'needs_reauth' && (await setConnectionStatus(deps, id, 'active', { keySetAt }))) {
    await deps.reactions.resumed(id)
  }
  return {
    name: 'token',
    ok: true,
    detail: `${titleOf(deps, connection)} accepts the key that was set ${keySetAt.toISOString()}`,
  }
}

async function checkWebhook(deps: ChannelDeps, connection: Connection): Promise<Check[]> {
  const title = titleOf(deps, connection)
  const { current, next } = await readWebhookCredentials(deps.db, deps.vault, connection.id)
  const credentials = next ?? current
  try {
    const [own, ...others] = await findOwnWebhooks(deps, connection, patience)
    if (own === undefined || credentials === undefined) {
      return [
        { name: 'webhookRegistered', ok: false, detail: `${title} holds no webhook of this connection` },
        { name: 'webhookEnabled', ok: false, detail: 'There is none' },
      ]
    }
    const { webhookUrl: url, alertingEmailAddress } = connection
    const wrong = [
      ...capabilityOf(deps.channels.of(connection.channel), 'webhooks')
        .deviations(own, { url, alertingEmailAddress, ...credentials })
        .filter((name) => name !== 'disabled'),
      ...(others.length > 0 ? [`${others.length} more of ours`] : []),
    ]
    const registered = `Webhook ${own.id} delivers to ${own.url}`
    return [
      {
        name: 'webhookRegistered',
        ok: wrong.length === 0,
        detail: wrong.length === 0 ? registered : `${registered}; not as it should be: ${wrong.join(', ')}`,
      },
      {
        name: 'webhookEnabled',
        ok: own.enabled,
        detail: own.enabled ? `${title} delivers to it` : `${title} has disabled it`,
      },
    ]
  } catch (error) {
    return unknownWebhook(toAppError(error).message)
  }
}

function unknownWebhook(detail: string): Check[] {
  return [
    { name: 'webhookRegistered', ok: false, detail },
    { name: 'webhookEnabled', ok: false, detail },
  ]
}

async function checkLastInbound(deps: ChannelDeps, connection: Connection): Promise<Check> {
  const { lastInboundAt, silentSeconds, usualSeconds } = await readHabit(deps.db, connection)
  const usual = `at the latest after ${Math.round(usualSeconds / 60)} minutes there is usually one`
  const last =
    lastInboundAt === null
      ? 'No webhook has come yet'
      : `The last webhook came ${lastInboundAt.toISOString()}`
  return { name: 'lastInbound', ok: silentSeconds <= usualSeconds, detail: `${last}; ${usual}` }
}

async function checkBacklog(deps: ChannelDeps, connection: Connection): Promise<Check[]> {
  const pending = await deps.reactions.backlog(connection)
  const isWaiting = connection.status === 'paused' ? ', until the connection is resumed' : ''
  const oldest = Math.round(pending.oldestWebhookSeconds)
  return [
    {
      name: 'backlog',
      ok: oldest <= longBacklogSeconds,
      detail: `${pending.webhooks} webhooks wait, the oldest for ${oldest} seconds${isWaiting}; ${pending.pendingDays} days wait to be pushed`,
    },
    {
      name: 'drift',
      ok: pending.driftedDays === 0 && pending.failedDays === 0,
      detail: `${pending.driftedDays} days drifted at ${titleOf(deps, connection)}; ${pending.failedDays} were refused`,
    },
  ]
}

function titleOf({ channels }: ChannelDeps, { channel }: Connection): string {
  return channels.of(channel).title
}
