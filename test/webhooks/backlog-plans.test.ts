import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../src/platform/db/tables.ts'
import { parkWebhook } from '../../src/webhooks/parked-webhook-store.ts'
import {
  findWebhooks,
  finishWebhooks,
  lockUnprocessedWebhooks,
  markEnqueued,
} from '../../src/webhooks/webhook-log.ts'
import { addTenant, fillLargeDatabase } from '../support/large-database.ts'
import { observePlans, stepsOf, touched } from '../support/observed-plans.ts'

const backlog = 20_000
const atOnce = 32

const years = await observePlans({ after }, 'backlog-plans')
const { busy } = await fillLargeDatabase(years.db)
const yearsOfLittle = { ...years, ids: await addBacklog(years.db, busy) }

const young = await observePlans({ after }, 'young-plans')
const newDatabase = { ...young, ids: await addBacklog(young.db, await addTenant(young.db, 'new', '20003')) }

// As it is between two looks of the server at the table: of many rows a backlog is too small a part for another look,
// and of a new table it has seen nothing.
async function addBacklog(
  db: Kysely<Database>,
  { tenantId, connectionId }: { tenantId: string; connectionId: string },
): Promise<string[]> {
  await sql`alter table webhook_logs set (autovacuum_enabled = false)`.execute(db)
  await sql`
    insert into webhook_logs (id, tenant_id, connection_id, event_type, external_id, body)
    select uuidv7(), ${tenantId}, ${connectionId}, 'reservation.created', n::text, '{}'
    from generate_series(1, ${backlog}::int) n
  `.execute(db)
  await db.updateTable('hostaway_connections').set({ status: 'paused' }).execute()
  const waiting = await db
    .selectFrom('webhook_logs')
    .select('id')
    .where('status', '=', 'received')
    .orderBy('id', 'desc')
    .limit(atOnce)
    .execute()
  return waiting.map(({ id }) => id)
}

const questions: Record<string, (db: Kysely<Database>, ids: string[]) => Promise<unknown>> = {
  reading: findWebhooks,
  'noting the jobs of': markEnqueued,
  locking: (db, ids) => lockUnprocessedWebhooks(db as Parameters<typeof lockUnprocessedWebhooks>[0], ids),
  parking: (db, [id = '']) => parkWebhook(db, id),
  ending: (db, ids) =>
    finishWebhooks(
      db,
      ids.map((id) => ({ id, status: 'processed', outcome: 'created' })),
    ),
}

for (const [situation, { db, ids, plansOf }] of Object.entries({
  'a backlog after years of little': yearsOfLittle,
  'a backlog in a new database': newDatabase,
})) {
  describe(situation, () => {
    for (const [question, ask] of Object.entries(questions)) {
      it(`does not make ${question} webhooks by their ids slower`, async () => {
        const plans = await plansOf(() => ask(db, ids))
        assert.ok(plans.length > 0)
        for (const { text, plan } of plans) {
          for (const step of stepsOf(plan)) {
            assert.ok(touched(step) <= 3 * atOnce, `${text}\n${JSON.stringify(plan, undefined, 1)}`)
          }
        }
      })
    }
  })
}
