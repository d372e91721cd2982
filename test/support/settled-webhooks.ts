import assert from 'node:assert/strict'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../src/platform/db/tables.ts'
import { eventually } from './eventually.ts'

/** Waits until every stored webhook has come to an end. */
export async function whenWebhooksEnded(db: Kysely<Database>, timeoutMs = 60_000): Promise<void> {
  await eventually(
    async () => {
      const { rows } = await sql<{ left: string }>`
        select count(*) as left from webhook_logs where status = 'received'
      `.execute(db)
      assert.equal(rows[0]?.left, '0', `${rows[0]?.left} webhooks are still unprocessed`)
    },
    { timeoutMs },
  )
}
