import type { ChannelDeps } from '../connections/call-channel.ts'
import type { Config } from '../platform/config/config.ts'
import { parseCron } from '../platform/config/cron-times.ts'
import type { Module } from '../platform/module.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import { importRoutes } from './import-routes.ts'
import { cancelImportsOfDisconnected, countRunningImports } from './import-store.ts'
import { pollNext } from './poll-next.ts'
import { type HistoryTimes, historyWork } from './polling-context.ts'
import { clearPollDeferral } from './polling-lease-store.ts'
import { longestUnreconciledSeconds } from './reconcile-store.ts'
import { replayHistory } from './replay-history.ts'
import { beginFirstImport } from './request-import.ts'
import { scheduleReconciles } from './schedule-reconciles.ts'

// Each holds a page of reservations in memory while it applies it.
const parallel = 4

type PollingDeps = ChannelDeps & {
  config: Pick<Config, 'HOSTAWAY_RECONCILE_CRON'>
  metrics: Metrics
  historyTimes: HistoryTimes
  upkeepTimes: { scheduleEveryMs: number }
}

export const polling: Module<PollingDeps> = {
  name: 'polling',

  async routes(app, { db, metrics }) {
    await app.register(importRoutes, { db, metrics })
  },

  loops(deps) {
    const reading = { ...deps, times: deps.historyTimes }
    const idleMs = deps.historyTimes.lookEveryMs
    return [{ name: historyWork, parallel, idleMs, run: () => pollNext(reading) }]
  },

  sweeps({ config, db, log, metrics, historyTimes, upkeepTimes }) {
    const cron = parseCron(config.HOSTAWAY_RECONCILE_CRON)
    return [
      {
        name: 'history',
        everyMs: upkeepTimes.scheduleEveryMs,
        async run() {
          const schedules = await scheduleReconciles(db, cron, historyTimes.staggerMs)
          if (schedules > 0) log.info({ schedules }, 'reconcile.scheduled')
          metrics.imports.inc({ status: 'cancelled' }, await cancelImportsOfDisconnected(db))
        },
      },
    ]
  },

  replays: [{ jobs: ['import', 'read-page', 'apply-reservation'], reopen: replayHistory }],

  reactions: {
    async statusChanged(trx, connection, { from, to }) {
      if (from === 'connecting' && to === 'active') await beginFirstImport(trx, connection)
    },
    resumed: ({ db }, connectionId) => clearPollDeferral(db, connectionId),
  },

  async gauges({ db, metrics }) {
    const [imports, unreconciled] = await Promise.all([
      countRunningImports(db),
      longestUnreconciledSeconds(db),
    ])
    metrics.importsRunning.set(imports)
    metrics.lastReconcileAge.set(unreconciled)
  },
}
