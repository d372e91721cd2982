import type { Limiter } from '../platform/limiter/limiter.ts'
import type { Module } from '../platform/module.ts'
import { connectionStatuses, type Metrics } from '../platform/telemetry/metrics.ts'
import type { ChannelDeps } from './call-channel.ts'
import { countConnections, oldestKeySeconds } from './connection-store.ts'
import { watchWebhooks } from './watch-webhooks.ts'

type ConnectionDeps = ChannelDeps & {
  limiter: Limiter
  metrics: Metrics
  upkeepTimes: { watchEveryMs: number }
}

export const connections: Module<ConnectionDeps> = {
  name: 'connections',

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
