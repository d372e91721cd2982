import type { Kysely } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import type { Module } from '../platform/module.ts'
import { feedRoutes } from './feed-routes.ts'

export const outbox: Module<{ db: Kysely<Database> }> = {
  name: 'outbox',
  async routes(app, { db }) {
    await app.register(feedRoutes, { db })
  },
}
