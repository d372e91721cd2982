import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Redis } from 'ioredis'
import { type Kysely, sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Database } from '../../src/platform/db/tables.ts'
import { appendWebhooks } from '../../src/webhooks/webhook-log.ts'
import { type QueueBackend, queueBackends } from '../support/backends.ts'
import { eventually } from '../support/eventually.ts'
import { announcementOf, startObserved } from '../support/observed-inbound.ts'
import { newReservation } from '../support/reservation-bodies.ts'

const upkeepTimes = { sweepEveryMs: 50, neverEnqueuedForMs: 200, enqueuedForMs: 600 }

/** Takes everything out of the queue, as a Redis without persistence does when it restarts. */
async function wipeQueue(backend: QueueBackend, db: Kysely<Database>): Promise<number> {
  if (backend.name === 'redis') {
    const redis = new Redis(backend.redisUrl)
    try {
      const keys = await redis.keys(`{${backend.prefix}}:*`)
      return keys.length === 0 ? 0 : await redis.del(keys)
    } finally {
      redis.disconnect()
    }
  }
  const { rows } = await sql<{ name: string }>`
    select quote_ident(schemaname) || '.' || quote_ident(tablename) as name
    from pg_tables where schemaname = ${`${backend.prefix}_queue`} and tablename !~ 'migration|version'
  `.execute(db)
  await sql`truncate ${sql.raw(rows.map(({ name }) => name).join(', '))} cascade`.execute(db)
  return rows.length
}

for (const backend of queueBackends()) {
  describe(`on ${backend.name}`, () => {
    it('webhooks that were stored but never enqueued are processed', async (t) => {
      const { system, connection, ...inbound } = await startObserved(t, { backend, upkeepTimes })
      const tenant = await system.db.selectFrom('tenants').select('id').executeTakeFirstOrThrow()
      const bodies = Array.from({ length: 30 }, () => newReservation())
      await appendWebhooks(
        system.db,
        bodies.map((body) => ({
          id: uuid(),
          tenantId: tenant.id,
          connectionId: connection.id,
          eventType: 'reservation.created',
          sourceEvent: 'reservation.created',
          externalId: String(body.id),
          body: JSON.stringify(announcementOf(body, 'reservation.created')),
        })),
      )
      await inbound.settled(15_000)
      for (const { id } of bodies) assert.equal((await inbound.booking(id)).status, 'confirmed')
      assert.ok(system.logged.some((line) => line.includes('webhook.swept')))
    })

    it('webhooks whose jobs were lost with the queue are processed, and later ones as ever', async (t) => {
      const { system, connection, ...inbound } = await startObserved(t, {
        backend,
        upkeepTimes,
        workers: false,
      })
      const bodies = Array.from({ length: 12 }, () => newReservation())
      // Each waits for its job, so that all of them are in the queue when it is wiped.
      for (const [index, body] of bodies.entries()) {
        await system.deliver(connection, announcementOf(body))
        await eventually(async () => {
          assert.equal(await system.deps.queues.dueJobs('inbound'), index + 1)
        })
      }
      assert.ok((await wipeQueue(backend, system.db)) > 0)
      assert.equal(await system.deps.queues.dueJobs('inbound'), 0)
      await system.startWorkers()
      await inbound.settled(15_000)
      for (const { id } of bodies) assert.equal((await inbound.booking(id)).status, 'confirmed')

      await wipeQueue(backend, system.db)
      const next = newReservation({ listingMapId: 400002 })
      await inbound.send(next)
      assert.deepEqual(await inbound.eventTypes(next.id), ['booking.created', 'availability.blocked'])
    })
  })
}
