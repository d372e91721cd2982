import assert from 'node:assert/strict'
import { beforeEach, it } from 'node:test'
import { sql } from 'kysely'
import { v4 as randomId, v7 as timedId } from 'uuid'
import { listDeadLetters, markDiscarded, openDeadLetter } from '../../src/dead-letters/dead-letter-store.ts'
import { AppError } from '../../src/platform/errors.ts'
import { inboundQueue } from '../../src/platform/queue/queues.ts'
import { createLogger } from '../../src/platform/telemetry/logger.ts'
import { createMetrics } from '../../src/platform/telemetry/metrics.ts'
import { pruneWebhooks } from '../../src/webhooks/prune-webhooks.ts'
import { appendWebhooks, finishWebhook, type WebhookEnd } from '../../src/webhooks/webhook-log.ts'
import { afterAll } from '../support/after-all.ts'
import { eventually } from '../support/eventually.ts'
import { newReservation } from '../support/reservation-bodies.ts'
import { startTestSystem } from '../support/test-system.ts'

const context = afterAll()
const system = await startTestSystem(context, {
  upkeepTimes: { pruneEveryMs: 50 },
  settings: { WEBHOOK_RETENTION_DAYS: '60' },
})
const { db } = system
const connection = await system.connect()
const { tenant_id: tenantId } = await db
  .selectFrom('hostaway_connections')
  .select('tenant_id')
  .executeTakeFirstOrThrow()
const dayMs = 86_400_000

beforeEach(async () => {
  await sql`truncate webhook_logs, dead_letter_queue, hostaway_booking_queue`.execute(db)
})

// Younger than what the running worker prunes, so that only the test itself does.
const days = 30

async function webhookOf(ageInDays: number, end?: Omit<WebhookEnd, 'id'>): Promise<string> {
  const receivedAt = Date.now() - ageInDays * dayMs
  const id = timedId({ msecs: receivedAt })
  const body = JSON.stringify({ event: 'reservation.created', data: newReservation() })
  const type = { eventType: 'reservation.created', sourceEvent: 'reservation.created', externalId: '1' }
  await appendWebhooks(db, [{ id, tenantId, connectionId: connection.id, ...type, body }])
  await db
    .updateTable('webhook_logs')
    .set({ received_at: new Date(receivedAt), enqueued_at: new Date() })
    .where('id', '=', id)
    .execute()
  if (end !== undefined) await finishWebhook(db, id, end)
  return id
}

async function left(): Promise<string[]> {
  const rows = await db.selectFrom('webhook_logs').select('id').orderBy('id').execute()
  return rows.map(({ id }) => id)
}

const processed = { status: 'processed', outcome: 'created' } as const

it('webhooks that have ended go when they are old enough', async () => {
  const young = await webhookOf(29, processed)
  await webhookOf(31, processed)
  await webhookOf(31, { status: 'ignored', outcome: 'event_not_handled' })
  assert.equal(await pruneWebhooks(db, { days }), 2)
  assert.deepEqual(await left(), [young])
  assert.equal(await pruneWebhooks(db, { days }), 0)
})

it('a webhook that has not come to an end stays, however old', async () => {
  const unfinished = await webhookOf(50)
  assert.equal(await pruneWebhooks(db, { days }), 0)
  assert.deepEqual(await left(), [unfinished])
})

it('what an open dead letter points to stays until the dead letter is closed', async () => {
  const failed = await webhookOf(50, { status: 'failed', outcome: 'not_found' })
  const deps = { metrics: createMetrics(), log: createLogger({ level: 'silent', role: 'test' }) }
  await openDeadLetter(db, deps, {
    tenantId,
    connectionId: connection.id,
    queue: inboundQueue,
    job: 'process-webhook',
    subject: failed,
    payload: { webhookId: failed },
    error: new AppError('not_found', 'It is not there'),
    attempts: 1,
  })
  assert.equal(await pruneWebhooks(db, { days }), 0)
  assert.deepEqual(await left(), [failed])

  const [letter] = await listDeadLetters(db, { tenantId, limit: 1 })
  assert.ok(letter)
  await markDiscarded(db, letter.id, 'no longer needed')
  assert.equal(await pruneWebhooks(db, { days }), 1)
})

it('a webhook that a waiting approval refers to stays until the decision', async () => {
  const queued = await webhookOf(50, { status: 'queued', outcome: 'waiting' })
  const approval = randomId()
  await db
    .insertInto('hostaway_booking_queue')
    .values({
      id: approval,
      tenant_id: tenantId,
      connection_id: connection.id,
      external_id: '1',
      status: 'pending',
      problems: '[]',
      draft: '{}',
      source: '{}',
      version_kind: 'source',
      version_at: new Date(),
      webhook_id: queued,
    })
    .execute()
  for (const status of ['pending', 'mapped', 'failed'] as const) {
    await db.updateTable('hostaway_booking_queue').set({ status }).where('id', '=', approval).execute()
    assert.equal(await pruneWebhooks(db, { days }), 0, status)
  }
  await db
    .updateTable('hostaway_booking_queue')
    .set({ status: 'rejected' })
    .where('id', '=', approval)
    .execute()
  assert.equal(await pruneWebhooks(db, { days }), 1)
})

it('a run deletes a bounded number, oldest first, and passes over what has to stay', async () => {
  const ages = [50, 49, 48, 47, 46, 45, 44]
  const kept = [await webhookOf(55), await webhookOf(54), await webhookOf(53)]
  const old: string[] = []
  for (const age of ages) old.push(await webhookOf(age, processed))
  assert.equal(await pruneWebhooks(db, { days, batchRows: 2, maxRows: 3 }), 3)
  assert.deepEqual(await left(), [...kept, ...old.slice(3)])
  assert.equal(await pruneWebhooks(db, { days, batchRows: 2, maxRows: 3 }), 3)
  assert.equal(await pruneWebhooks(db, { days, batchRows: 2, maxRows: 3 }), 1)
  assert.deepEqual(await left(), kept)
})

it('the worker prunes by itself, and a booking keeps the body that made it', async () => {
  const reservation = newReservation()
  const delivered = await system.deliver(connection, {
    object: 'reservation',
    event: 'reservation.created',
    accountId: connection.accountId,
    data: reservation,
  })
  assert.equal(delivered.status, 200)
  await eventually(async () => {
    const { status } = await db.selectFrom('webhook_logs').select('status').executeTakeFirstOrThrow()
    assert.equal(status, 'processed')
  })
  await webhookOf(61, processed)
  await eventually(async () => assert.equal((await left()).length, 1))

  await sql`update webhook_logs set received_at = received_at - interval '61 days'`.execute(db)
  await pruneWebhooks(db, { days: 0 })
  assert.deepEqual(await left(), [])
  const { source } = await db
    .selectFrom('bookings')
    .select('source')
    .where('external_id', '=', String(reservation.id))
    .executeTakeFirstOrThrow()
  assert.equal((source as { id: number }).id, reservation.id)
})
