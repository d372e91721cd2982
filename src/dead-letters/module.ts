import type { Module } from '../platform/module.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import { deadLetterRoutes } from './dead-letter-routes.ts'
import { countOpenDeadLetters } from './dead-letter-store.ts'
import type { ReplayDeps } from './replay-dead-letter.ts'

export const deadLetters: Module<ReplayDeps & { metrics: Metrics }> = {
  name: 'dead-letters',

  async routes(app, { db, replays }) {
    await app.register(deadLetterRoutes, { db, replays })
  },

  async gauges({ db, metrics }) {
    metrics.deadLettersOpen.set(await countOpenDeadLetters(db))
  },
}
