import assert from 'node:assert/strict'
import { once } from 'node:events'
import { it } from 'node:test'
import { sql } from 'kysely'
import { eventually } from '../support/eventually.ts'
import { observeHistory } from '../support/history-fixture.ts'
import { sandboxAccount, startTestSystem } from '../support/test-system.ts'
import { startWorkerProcess } from '../support/worker-process.ts'

const { accountId } = sandboxAccount
const count = 2_600
const pages = 6

it('an import whose worker is killed again and again goes on from its last page and ends as if it had not been', async (t) => {
  const system = await startTestSystem(t, { workers: false, imports: true })
  const history = observeHistory(system)
  await system.control.makeHistory(accountId, { count })
  await system.control.injectFault({ kind: 'latency', latencyMs: 60, path: '/reservations', method: 'GET' })
  const connection = await system.connect()
  const bookings = async () => {
    const { rows } = await sql<{ count: number }>`select count(*)::int as count from bookings`.execute(
      system.db,
    )
    return rows[0]?.count ?? 0
  }
  const calls = async () => (await history.pagesAsked()).length

  const momentsOfDeath = {
    'while a page is on its way': async () => {
      const before = await calls()
      return async () => assert.ok((await calls()) > before)
    },
    'while a page is half applied': async () => {
      const before = await bookings()
      return async () => assert.ok((await bookings()) > before)
    },
    'once a page is noted': async () => {
      const { done } = await history.newest(connection.id)
      return async () => assert.ok((await history.newest(connection.id)).done > done)
    },
  }
  let lastDone = 0
  for (const [moment, aim] of Object.entries(momentsOfDeath)) {
    const hasCome = await aim()
    const victim = startWorkerProcess(t, system)
    await eventually(hasCome, { timeoutMs: 60_000, intervalMs: 2 })
    victim.kill('SIGKILL')
    await once(victim, 'exit')
    const { status, done } = await history.newest(connection.id)
    assert.equal(status, 'running', moment)
    assert.ok(done >= lastDone)
    lastDone = done
    // What a dead worker held is given to others when its time is over.
    await sql`update polling_leases set lease_until = clock_timestamp()`.execute(system.db)
  }

  startWorkerProcess(t, system)
  const ended = await history.when(connection.id, 'completed', 60_000)
  assert.deepEqual([ended.done, ended.total, ended.failed], [count, count, 0])
  await history.assertSameAsHostaway(connection.id)
  const { rows: events } = await sql<{ subject: string }>`
    select subject from event_outbox where type = 'booking.created' group by subject having count(*) <> 1
  `.execute(system.db)
  assert.deepEqual(events, [])
  const again = (await calls()) - pages - 1
  assert.ok(again >= 2 && again <= 3, `${again} pages were fetched again, for three that were broken off`)
})
