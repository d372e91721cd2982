import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { queueBackends } from '../support/backends.ts'
import { eventually } from '../support/eventually.ts'
import { announcementOf, startObserved } from '../support/observed-inbound.ts'
import { newReservation } from '../support/reservation-bodies.ts'
import { sandboxAccount } from '../support/test-system.ts'
import { startWorkerProcess } from '../support/worker-process.ts'

describe('a worker that is killed', { concurrency: true }, () => {
  for (const backend of queueBackends()) {
    it(`a worker that is killed leaves its jobs to others, and each ends in exactly one effect, on ${backend.name}`, async (t) => {
      const { system, connection, ...inbound } = await startObserved(t, { backend, workers: false })
      const { accountId } = sandboxAccount
      const slow = await Promise.all(
        Array.from({ length: 6 }, () => system.control.book(accountId, { silent: true })),
      )
      const quick = Array.from({ length: 60 }, () => newReservation())
      await system.control.injectFault({ kind: 'latency', latencyMs: 1_000, path: '/reservations/*' })
      for (const body of [...slow.map((body) => ({ ...body, updatedOn: undefined })), ...quick]) {
        await inbound.accept(announcementOf(body, 'reservation.created'))
      }

      const victim = startWorkerProcess(t, system)
      await eventually(
        async () => {
          assert.ok((await system.control.calls({ path: '/reservations/*' })).length > 0)
        },
        { timeoutMs: 60_000, intervalMs: 10 },
      )
      victim.kill('SIGKILL')
      await once(victim, 'exit')
      const left = await system.db
        .selectFrom('webhook_logs')
        .select('id')
        .where('status', '=', 'received')
        .execute()
      assert.ok(left.length >= slow.length, `${left.length} webhooks were left`)

      startWorkerProcess(t, system)
      await inbound.settled(60_000)
      for (const { id } of [...slow, ...quick]) {
        assert.equal((await inbound.booking(id)).status, 'confirmed')
        assert.deepEqual(
          (await inbound.eventTypes(id)).filter((type) => type !== 'booking.conflict'),
          ['booking.created', 'availability.blocked'],
        )
      }
      const letters = await system.db.selectFrom('dead_letter_queue').selectAll().execute()
      assert.deepEqual(letters, [])
    })
  }
})
