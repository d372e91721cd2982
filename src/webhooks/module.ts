import type { Kysely } from 'kysely'
import type { Channels } from '../channels/contract/channel.ts'
import { createConnectionCache } from '../connections/connection-cache.ts'
import type { Replays } from '../dead-letters/replay-dead-letter.ts'
import type { Config } from '../platform/config/config.ts'
import type { Database } from '../platform/db/tables.ts'
import type { Module } from '../platform/module.ts'
import { type JobQueues, processWebhookJob, processWebhooksJob } from '../platform/queue/queues.ts'
import type { Logger } from '../platform/telemetry/logger.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import type { Vault } from '../platform/vault/vault.ts'
import { countWaitingWebhooks, releaseParked } from './parked-webhook-store.ts'
import { pruneWebhooks } from './prune-webhooks.ts'
import { enqueueAgain } from './replay-webhook.ts'
import { offerWebhooksOf, type SweepOptions, sweepWebhooks } from './sweep-webhooks.ts'
import { createWebhookInbox } from './webhook-inbox.ts'
import { longestSilenceSeconds, oldestUnprocessedSeconds, reopenWebhook } from './webhook-log.ts'
import { webhookLogRoutes } from './webhook-log-routes.ts'
import { webhookRoutes } from './webhook-route.ts'

type WebhookDeps = {
  config: Pick<Config, 'HOSTAWAY_WEBHOOK_TIMEOUT_MS' | 'WEBHOOK_RETENTION_DAYS'>
  channels: Channels
  db: Kysely<Database>
  ingressDb: Kysely<Database>
  queues: JobQueues
  replays: Replays
  vault: Vault
  log: Logger
  metrics: Metrics
  upkeepTimes: SweepOptions & { sweepEveryMs: number; pruneEveryMs: number }
}

export const webhooks: Module<WebhookDeps> = {
  name: 'webhooks',

  async publicRoutes(app, { config, channels, ingressDb, queues, vault, log, metrics }) {
    const connections = createConnectionCache({ db: ingressDb, vault, log })
    const inbox = createWebhookInbox({ db: ingressDb, queues, log })
    app.addHook('onClose', async () => {
      await inbox.close()
      connections.close()
    })
    const timeoutMs = config.HOSTAWAY_WEBHOOK_TIMEOUT_MS
    for (const { name, title, webhooks: capability } of channels.all) {
      if (capability === undefined) continue
      const channel = { name, title, webhooks: capability }
      await app.register(webhookRoutes, { channel, connections, inbox, metrics, timeoutMs })
    }
  },

  sweeps: ({ config, db, queues, log, upkeepTimes }) => [
    {
      name: 'sweep-webhooks',
      everyMs: upkeepTimes.sweepEveryMs,
      showsProgress: true,
      async run() {
        const offered = await sweepWebhooks(db, queues, upkeepTimes)
        if (offered > 0) log.info({ webhooks: offered }, 'webhook.swept')
      },
    },
    {
      name: 'prune-webhooks',
      everyMs: upkeepTimes.pruneEveryMs,
      async run() {
        const days = config.WEBHOOK_RETENTION_DAYS
        const pruned = await pruneWebhooks(db, { days })
        if (pruned > 0) log.info({ webhooks: pruned, days }, 'webhook.pruned')
      },
    },
  ],

  async routes(app, { db, queues, replays }) {
    await app.register(webhookLogRoutes, { db, queues, replays })
  },

  replays: [
    {
      jobs: [processWebhookJob, processWebhooksJob],
      async reopen(trx, { payload: { webhookId } }) {
        if (webhookId !== undefined) await reopenWebhook(trx, webhookId)
      },
      async resume(deps, { payload: { webhookId } }) {
        if (webhookId !== undefined) await enqueueAgain(deps, webhookId)
      },
    },
  ],

  reactions: {
    async statusChanged(trx, { id }, { to }) {
      if (to === 'active' || to === 'disconnected') await releaseParked(trx, id)
    },
    resumed: ({ db, queues }, connectionId) => offerWebhooksOf(db, queues, connectionId),
    backlog: ({ db }, { id, tenantId }) => countWaitingWebhooks(db, { tenantId, connectionId: id }),
  },

  async gauges({ db, metrics }) {
    const [oldest, silence] = await Promise.all([oldestUnprocessedSeconds(db), longestSilenceSeconds(db)])
    metrics.oldestUnprocessedWebhook.set(oldest)
    metrics.lastWebhookAge.set(silence)
  },
}
