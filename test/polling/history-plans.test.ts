import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { sql } from 'kysely'
import { findRunningImport, listImports } from '../../src/polling/import-store.ts'
import { claimPolling } from '../../src/polling/polling-lease-store.ts'
import { findReconcile } from '../../src/polling/reconcile-store.ts'
import { startWalk } from '../../src/polling/walk.ts'
import { observePlans, stepsOf, touched } from '../support/observed-plans.ts'

const connections = 3_000
const importsEach = 5
const maxRowsTouched = 200

const { db, plansOf } = await observePlans({ after }, 'history-plans')
const connectionId = await fill()

/** Years of many connections; every third one waits for its turn. Returns one of them. */
async function fill(): Promise<string> {
  await sql`
    insert into tenants (id, slug, name) select uuidv7(), 'tenant-' || n, 'x' from generate_series(1, ${connections}::int) n
  `.execute(db)
  await sql`
    insert into hostaway_connections
      (id, tenant_id, channel, account_id, status, auto_import, auto_map_listings, webhook_auth, webhook_url, key_set_at)
    select uuidv7(), id, 'hostaway', slug, 'active', true, true, 'basic', 'http://127.0.0.1', now() from tenants
  `.execute(db)
  await sql`
    insert into imports (id, tenant_id, connection_id, status, walk, page_size)
    select uuidv7(n * interval '-1 day'), tenant_id, id, case when n = 1 then 'running' else 'completed' end,
      ${JSON.stringify(startWalk(null))}, 500
    from hostaway_connections, generate_series(1, ${importsEach}::int) n
  `.execute(db)
  await sql`
    insert into polling_leases (connection_id, import_due_at, claimed_at)
    select id, case when row_number() over (order by id) % 3 = 0 then now() end, now() - random() * interval '1 hour'
    from hostaway_connections
  `.execute(db)
  await sql`insert into reconciles (connection_id, watermark) select id, now() from hostaway_connections`.execute(
    db,
  )
  await sql`analyze`.execute(db)
  const row = await db.selectFrom('hostaway_connections').select('id').limit(1).executeTakeFirstOrThrow()
  return row.id
}

const questions: Record<string, () => Promise<unknown>> = {
  'the next turn': () => claimPolling(db, 1_000),
  'the import that runs': () => findRunningImport(db, connectionId),
  'the imports of a connection': () => listImports(db, { connectionId, limit: 50, before: undefined }),
  'how far reconciliation is': () => findReconcile(db, connectionId),
}

for (const [question, ask] of Object.entries(questions)) {
  it(`${question}: answered through an index, without reading a table`, async () => {
    const plans = await plansOf(ask)
    assert.ok(plans.length > 0)
    for (const { plan } of plans) {
      for (const step of stepsOf(plan)) {
        const shown = `${step['Node Type']} ${step['Relation Name'] ?? ''}`
        assert.ok(!shown.startsWith('Seq Scan'), shown)
        assert.ok(touched(step) <= maxRowsTouched, shown)
      }
    }
  })
}
