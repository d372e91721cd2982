import assert from 'node:assert/strict'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../src/platform/db/tables.ts'
import { eventually } from './eventually.ts'

/** Whether the feed hides nothing: a transaction of anybody on the server, of other tests too, holds back what came after it. */
export async function allEventsAreVisible(db: Kysely<Database>): Promise<boolean> {
  const { rows } = await sql<{ hidden: string }>`
    select count(*) as hidden from event_outbox
    where transaction_id >= pg_snapshot_xmin(pg_current_snapshot())
  `.execute(db)
  return rows[0]?.hidden === '0'
}

/** Waits until the feed shows every event that is stored by now. */
export async function whenEventsAreVisible(db: Kysely<Database>): Promise<void> {
  await eventually(async () => assert.ok(await allEventsAreVisible(db)), { timeoutMs: 60_000 })
}
