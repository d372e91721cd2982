import type { Kysely } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import type { Module } from '../platform/module.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import { countOpenDeadLetters } from './dead-letter-store.ts'

export const deadLetters: Module<{ db: Kysely<Database>; metrics: Metrics }> = {
  name: 'dead-letters',

  async gauges({ db, metrics }) {
    metrics.deadLettersOpen.set(await countOpenDeadLetters(db))
  },
}
