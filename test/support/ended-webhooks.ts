import { setTimeout as pause } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { sql } from 'kysely'
import type { Database, WebhookLogRow } from '../../src/platform/db/tables.ts'

const lookEveryMs = 5

type Waiting = { resolve(row: WebhookLogRow): void; reject(error: Error): void; deadline: number }

/** Waits for the ends of many webhooks with one query for all of them, so that watching does not slow them down. */
export function watchWebhooks(db: Kysely<Database>) {
  const waiting = new Map<string, Waiting>()

  async function look(): Promise<void> {
    while (waiting.size > 0) {
      const ids = [...waiting.keys()]
      const rows = await db
        .selectFrom('webhook_logs')
        .selectAll()
        .where('id', '=', sql<string>`any(${ids}::uuid[])`)
        .where('status', '<>', 'received')
        .execute()
      for (const row of rows) {
        waiting.get(row.id)?.resolve(row)
        waiting.delete(row.id)
      }
      for (const [id, { reject, deadline }] of waiting) {
        if (Date.now() < deadline) continue
        waiting.delete(id)
        reject(new Error(`Webhook ${id} has not come to an end`))
      }
      await pause(lookEveryMs)
    }
  }

  function fail(error: unknown): void {
    for (const { reject } of waiting.values())
      reject(error instanceof Error ? error : new Error(String(error)))
    waiting.clear()
  }

  return (webhookId: string, timeoutMs: number) =>
    new Promise<WebhookLogRow>((resolve, reject) => {
      const isAsleep = waiting.size === 0
      waiting.set(webhookId, { resolve, reject, deadline: Date.now() + timeoutMs })
      if (isAsleep) look().catch(fail)
    })
}
