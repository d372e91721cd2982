import type { Kysely } from 'kysely'
import type { Database } from '../platform/db/tables.ts'
import type { Module } from '../platform/module.ts'
import { tenantRoutes } from './tenant-routes.ts'

export const tenants: Module<{ db: Kysely<Database> }> = {
  name: 'tenants',
  async routes(app, { db }) {
    await app.register(tenantRoutes, { db })
  },
}
