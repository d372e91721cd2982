import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import { pino } from 'pino'
import { v7 as uuid } from 'uuid'
import { openDatabase } from '../../src/platform/db/database.ts'
import type { JobQueues } from '../../src/platform/queue/queues.ts'
import { createWebhookInbox } from '../../src/webhooks/webhook-inbox.ts'
import { createTestDatabase } from '../support/test-database.ts'

async function openInbox(t: TestContext, enqueueWebhooks: JobQueues['enqueueWebhooks']) {
  const url = await createTestDatabase(t)
  const db = openDatabase({ url, maxConnections: 4, applicationName: 'test' })
  t.after(() => db.destroy())
  const logged: string[] = []
  const log = pino({}, { write: (line: string) => logged.push(line) })
  const inbox = createWebhookInbox({ db, queues: { enqueueWebhooks }, log })
  const rows = () => db.selectFrom('webhook_logs').select(['id', 'enqueued_at']).orderBy('id').execute()
  return { inbox, rows, logged }
}

const webhooks = (count: number) =>
  Array.from({ length: count }, () => ({
    id: uuid(),
    tenantId: uuid(),
    connectionId: uuid(),
    eventType: 'task.created',
    sourceEvent: null,
    externalId: null,
    body: '{}',
  }))

it('webhooks are enqueued after their commit, in the same batches, and closing first stores what was taken', async (t) => {
  const offered: string[][] = []
  const checks: Array<Promise<void>> = []
  const { inbox, rows } = await openInbox(t, async (enqueued) => {
    const ids = enqueued.map(({ id }) => id)
    offered.push(ids)
    const check = rows().then((found) => {
      const stored = new Set(found.map(({ id }) => id))
      assert.ok(ids.every((id) => stored.has(id)))
    })
    checks.push(check)
    return check
  })
  const sent = webhooks(300)
  const storing = Promise.all(sent.map((webhook) => inbox.store(webhook)))
  await inbox.close()
  const stored = await rows()
  assert.equal(stored.length, sent.length)
  await storing
  assert.deepEqual(
    offered.flat().sort(),
    stored.map(({ id }) => id),
  )
  assert.ok(offered.length < 30, `${offered.length} batches`)
  await Promise.all(checks)
})

it('a queue that takes nothing loses no webhook, and is complained about once', async (t) => {
  const { inbox, rows, logged } = await openInbox(t, () => Promise.reject(new Error('no queue')))
  for (const webhook of webhooks(20)) await inbox.store(webhook)
  await inbox.close()
  const stored = await rows()
  assert.equal(stored.length, 20)
  assert.ok(stored.every(({ enqueued_at: enqueuedAt }) => enqueuedAt === null))
  assert.deepEqual(
    logged.map((line) => JSON.parse(line).msg),
    ['webhook.enqueue_failed'],
  )
})
