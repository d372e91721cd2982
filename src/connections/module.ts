import type { Config } from '../platform/config/config.ts'
import type { Limiter } from '../platform/limiter/limiter.ts'
import type { Module } from '../platform/module.ts'
import { connectionStatuses, type Metrics } from '../platform/telemetry/metrics.ts'
import type { ChannelDeps } from './call-channel.ts'
import { connectDefaultAccount } from './connect-default-account.ts'
import { connectionLifeRoutes } from './connection-life-routes.ts'
import { connectionRoutes } from './connection-routes.ts'
import { countConnections, oldestKeySeconds } from './connection-store.ts'
import { watchWebhooks } from './watch-webhooks.ts'

type ConnectionDeps = ChannelDeps & {
  config: Pick<
    Config,
    | 'PUBLIC_URL'
    | 'HOSTAWAY_SYNC_AVAILABILITY_CRON'
    | 'HOSTAWAY_SYNC_PRICING_CRON'
    | 'HOSTAWAY_SYNC_LISTINGS_CRON'
    | 'HOSTAWAY_RECONCILE_CRON'
    | 'defaultAccount'
  >
  limiter: Limiter
  metrics: Metrics
  upkeepTimes: { watchEveryMs: number }
}

export const connections: Module<ConnectionDeps> = {
  name: 'connections',

  async routes(app, deps) {
    const { config } = deps
    const options = {
      ...deps,
      publicUrl: config.PUBLIC_URL,
      crons: {
        availability: config.HOSTAWAY_SYNC_AVAILABILITY_CRON,
        pricing: config.HOSTAWAY_SYNC_PRICING_CRON,
        listings: config.HOSTAWAY_SYNC_LISTINGS_CRON,
        reconcile: config.HOSTAWAY_RECONCILE_CRON,
      },
    }
    await app.register(connectionRoutes, options)
    await app.register(connectionLifeRoutes, options)
  },

  // Once the API listens: the channel tests a new webhook at once.
  started(deps, stopping) {
    const { defaultAccount, PUBLIC_URL: publicUrl } = deps.config
    if (defaultAccount === undefined) return
    void connectDefaultAccount({ ...deps, publicUrl }, defaultAccount, stopping)
  },

  sweeps: (deps) => [
    {
      name: 'watch-webhooks',
      everyMs: deps.upkeepTimes.watchEveryMs,
      run: () => watchWebhooks(deps),
    },
  ],

  async gauges({ db, limiter, metrics }) {
    const [counts, keyAge] = await Promise.all([
      countConnections(db),
      oldestKeySeconds(db),
      limiter.available(),
    ])
    for (const status of connectionStatuses) {
      const found = counts.find((entry) => entry.status === status)
      metrics.connections.set({ status }, found?.count ?? 0)
    }
    metrics.connectionKeyAge.set(keyAge)
  },
}
