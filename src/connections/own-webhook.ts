import { setTimeout as delay } from 'node:timers/promises'
import type { WebhookDeviation, WebhookRegistration, WebhookTarget } from '../channels/contract/webhook.ts'
import type { Call } from '../channels/hostaway/client.ts'
import { deviationsOf } from '../channels/hostaway/wire/webhook-registration.ts'
import { AppError } from '../platform/errors.ts'
import { type AccessTokenDeps, withAccessToken } from './access-token.ts'
import { promoteNextCredentials, readWebhookCredentials } from './connection-secret-store.ts'
import type { Connection } from './connection-store.ts'
import { noteWebhook, setWebhookCheckDue } from './webhook-check-store.ts'

/** What was not as it should be about the webhook of a connection. */
export type WebhookFinding = 'missing' | 'duplicate' | WebhookDeviation

export type Patience = Pick<Call, 'urgency' | 'maxWaitMs'>

/** Where the webhooks of a connection are delivered. The id in it is what tells ours from other people's. */
export function webhookUrlOf(publicUrl: string, connectionId: string): string {
  return `${publicUrl}/webhooks/hostaway/${connectionId}`
}

const checkEveryMs = 3_600_000
// A registration that was not answered may still take effect: then there are two, and one of them is removed.
const checkAfterCreatingMs = 60_000
// Deliveries that were under way when Hostaway got new credentials still carry the old ones.
const inFlightMs = 2_000

/**
 * Makes Hostaway hold exactly one webhook of the connection: enabled, with its address and its newest credentials, and
 * leaves everybody else's alone. Returns what had to be put right. To be run in turn; safe to repeat and to interrupt
 * anywhere. It is one call where all is well.
 */
export async function ensureWebhook(
  deps: AccessTokenDeps,
  connection: Connection,
  patience: Patience,
): Promise<WebhookFinding[]> {
  const { current, next, unseenMs } = await readWebhookCredentials(deps.db, deps.vault, connection.id)
  const credentials = next ?? current
  if (credentials === undefined) throw new Error(`connection ${connection.id} has no webhook credentials`)
  const target: WebhookTarget = {
    url: connection.webhookUrl,
    alertingEmailAddress: connection.alertingEmailAddress,
    ...credentials,
  }
  const ask = askFor(deps, connection, patience)
  const [kept, ...others] = await findOwnWebhooks(deps, connection, patience)
  const findings: WebhookFinding[] = kept === undefined ? ['missing'] : deviationsOf(kept, target)
  // What Hostaway sends from now on must be accepted by every process.
  if (findings.length > 0) await delay(unseenMs)

  async function create(): Promise<{ externalId: string; checkInMs: number }> {
    await setWebhookCheckDue(deps.db, connection.id, checkAfterCreatingMs)
    const { id } = await ask((call) => deps.client.createWebhook(call, target))
    return { externalId: id, checkInMs: checkAfterCreatingMs }
  }
  async function update(id: string): Promise<{ externalId: string; checkInMs: number }> {
    try {
      await ask((call) => deps.client.updateWebhook(call, id, target))
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

/** Removes every webhook of the connection at Hostaway, and nobody else's; safe to repeat. */
export async function removeOwnWebhooks(
  deps: AccessTokenDeps,
  connection: Connection,
  patience: Patience,
): Promise<void> {
  for (const { id } of await findOwnWebhooks(deps, connection, patience)) {
    await removeWebhook(deps, connection, patience, id)
  }
}

/** The webhooks at Hostaway that are the connection's, the one it knows of first. */
export async function findOwnWebhooks(
  deps: AccessTokenDeps,
  connection: Connection,
  patience: Patience,
): Promise<WebhookRegistration[]> {
  const webhooks = await askFor(deps, connection, patience)((call) => deps.client.listWebhooks(call))
  const isKnown = ({ id }: WebhookRegistration) => id === connection.webhookExternalId
  const path = new URL(webhookUrlOf('http://any', connection.id)).pathname
  const isDelivered = ({ url }: WebhookRegistration) => URL.parse(url)?.pathname.endsWith(path) === true
  return [
    ...webhooks.filter(isKnown),
    ...webhooks.filter((webhook) => !isKnown(webhook) && isDelivered(webhook)),
  ]
}

async function removeWebhook(
  deps: AccessTokenDeps,
  connection: Connection,
  patience: Patience,
  id: string,
): Promise<void> {
  try {
    await askFor(deps, connection, patience)((call) => deps.client.deleteWebhook(call, id))
  } catch (error) {
    if (!isGone(error)) throw error
  }
}

function askFor(deps: AccessTokenDeps, connection: Connection, patience: Patience) {
  return <Result>(ask: (call: Call) => Promise<Result>): Promise<Result> =>
    withAccessToken(deps, connection, (token) => ask({ accountId: connection.accountId, token, ...patience }))
}

function isGone(error: unknown): boolean {
  return error instanceof AppError && error.kind === 'not_found'
}
