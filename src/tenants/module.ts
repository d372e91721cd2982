import type { Kysely } from 'kysely'
import type { Config } from '../platform/config/config.ts'
import type { Database } from '../platform/db/tables.ts'
import type { Module } from '../platform/module.ts'
import { pruneAudit } from './audit-log.ts'
import { auditRoutes } from './audit-routes.ts'
import { tenantRoutes } from './tenant-routes.ts'

const hourMs = 3_600_000
const pruneBatch = 10_000

export const tenants: Module<{ db: Kysely<Database>; config: Pick<Config, 'AUDIT_RETENTION_DAYS'> }> = {
  name: 'tenants',
  async routes(app, { db }) {
    await app.register(tenantRoutes, { db })
    await app.register(auditRoutes, { db })
  },
  sweeps({ db, config }) {
    const days = config.AUDIT_RETENTION_DAYS
    return [
      {
        name: 'prune-audit',
        everyMs: hourMs,
        run: async () => {
          if (days > 0) await pruneAudit(db, days, pruneBatch)
        },
      },
    ]
  },
}
