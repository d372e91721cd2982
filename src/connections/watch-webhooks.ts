import { capabilityOf } from '../channels/contract/channel.ts'
import { AppError, factsOf } from '../platform/errors.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import { type ChannelDeps, callChannel } from './call-channel.ts'
import { appendConnectionEvent } from './connection-events.ts'
import { tryWithConnectionLock } from './connection-lock.ts'
import { listDueChecks, noteSilence, readHabit, setWebhookCheckDue } from './connection-status-store.ts'
import { type Connection, findConnection } from './connection-store.ts'
import { takeDown } from './disconnect.ts'
import { ensureWebhook, type Patience, type WebhookFinding } from './own-webhook.ts'

export type WatchDeps = ChannelDeps & { metrics: Pick<Metrics, 'webhookRepairs'> }

const maxAtOnce = 20
const patience: Patience = { urgency: 'bulk', maxWaitMs: 2_000 }
const tryAgainAfterMs = 60_000

/**
 * Checks the webhooks that are due at the channel, with one call each if all is well; repairs and reports deviations,
 * reports unusually silent connections, and continues interrupted disconnections. Safe to run anywhere at any time.
 */
export async function watchWebhooks(deps: WatchDeps): Promise<void> {
  for (const id of await listDueChecks(deps.db, maxAtOnce)) {
    try {
      await tryWithConnectionLock(deps.locks, id, () => look(deps, id))
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      await setWebhookCheckDue(deps.db, id, tryAgainAfterMs)
      deps.log.warn({ err: error, connectionId: id }, 'connection.check_failed')
      // Another connection would have to wait as well.
      const { outcome, blames } = factsOf(error)
      if (outcome === 'defer' && blames !== 'connection') return
    }
  }
}

async function look(deps: WatchDeps, id: string): Promise<void> {
  const connection = await findConnection(deps.db, id)
  if (connection === undefined) return
  if (connection.status === 'disconnected') {
    await takeDown(deps, id, patience)
    return
  }
  const findings = await ensureWebhook(deps, connection, patience)
  // A changed address for alerts was requested here; it is no repair.
  const broken = findings.filter((finding) => finding !== 'alerting_email')
  if (broken.length > 0) await reportRepair(deps, connection, broken)
  await reportSilence(deps, connection)
}

async function reportRepair(deps: WatchDeps, connection: Connection, found: WebhookFinding[]): Promise<void> {
  deps.log.warn({ connectionId: connection.id, found }, 'connection.webhook_repaired')
  for (const reason of found) deps.metrics.webhookRepairs.inc({ reason })
  await deps.db
    .transaction()
    .execute((trx) => appendConnectionEvent(trx, connection, 'connection.webhook_repaired', { found }))
}

// Once per silence: what the channel says of its deliveries tells an account that is quiet from requests that do not arrive.
async function reportSilence(deps: WatchDeps, connection: Connection): Promise<void> {
  const { id } = connection
  const habit = await readHabit(deps.db, connection)
  if (connection.status !== 'active' || habit.isReported || habit.silentSeconds <= habit.usualSeconds) return
  const deliveries = await readDeliveries(deps, id)
  await deps.db.transaction().execute(async (trx) => {
    const silence = await noteSilence(trx, connection)
    if (silence === undefined) return
    const { lastInboundAt, ...lengths } = silence
    const data = { lastInboundAt: lastInboundAt?.toISOString() ?? null, ...lengths, deliveries }
    deps.log.warn({ connectionId: id, ...data }, 'connection.webhook_silent')
    await appendConnectionEvent(trx, connection, 'connection.webhook_silent', data)
  })
}

async function readDeliveries(deps: WatchDeps, id: string): Promise<{ made: number; failed: number } | null> {
  const connection = await findConnection(deps.db, id)
  const webhookId = connection?.webhookExternalId
  if (connection === undefined || webhookId == null) return null
  try {
    const statuses = await callChannel(deps, connection, patience, (channel, call) =>
      capabilityOf(channel, 'webhooks').deliveryStatuses(call, webhookId),
    )
    const isTaken = (status: number | null) => status !== null && status >= 200 && status < 300
    return { made: statuses.length, failed: statuses.filter((status) => !isTaken(status)).length }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return null
  }
}
