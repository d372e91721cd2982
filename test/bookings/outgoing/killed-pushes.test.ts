import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { it } from 'node:test'
import { sql } from 'kysely'
import { createDeps } from '../../../src/deps.ts'
import { startWorkers } from '../../../workers/start-workers.ts'
import { type EndsLater, lastFirst } from '../../support/after-all.ts'
import { bookedSystem, bookingBody } from '../../support/booked-system.ts'
import { fastTimes, inDays } from '../../support/desired-events.ts'
import { eventually } from '../../support/eventually.ts'
import { sandboxAccount, startTestSystem, type TestSystem } from '../../support/test-system.ts'
import { startWorkerProcess } from '../../support/worker-process.ts'

const { accountId } = sandboxAccount
const timeoutMs = '1500'
const longMs = 1_200

// On a queue of its own as well: the jobs of one that was killed are looked after for a while before they start again.
const startVictim = (context: EndsLater, system: TestSystem) =>
  startWorkerProcess(context, system, {
    QUEUE_PREFIX: `victim_${randomBytes(4).toString('hex')}`,
    HOSTAWAY_API_TIMEOUT_MS: timeoutMs,
  })

/** Workers that live, on a queue of their own: as after Redis was wiped, they know only what the database says. */
async function withSurvivors(system: TestSystem, work: () => Promise<unknown>): Promise<void> {
  const deps = await createDeps(
    { ...system.config, QUEUE_PREFIX: `${system.config.QUEUE_PREFIX}_more` },
    {
      role: 'test',
      log: system.deps.log,
      outboundTimes: fastTimes,
      upkeepTimes: { sweepEveryMs: 100, pushOverdueMs: 50 },
    },
  )
  const workers = await startWorkers(deps)
  await work().finally(async () => {
    await workers.close()
    await deps.close()
  })
}

/** Lets a worker make so many calls, keeps what is answered under these keys from being written down, and kills it. */
async function killDuring(
  context: EndsLater,
  system: TestSystem,
  { keys, calls, count }: { keys: string[]; calls: () => Promise<number>; count: number },
): Promise<void> {
  await system.db.transaction().execute(async (trx) => {
    for (const key of keys) {
      await sql`select pg_advisory_xact_lock(hashtextextended(${`reservation:${key}`}, 0))`.execute(trx)
    }
    const victim = startVictim(context, system)
    await eventually(async () => assert.equal(await calls(), count), { timeoutMs: 30_000, intervalMs: 10 })
    await eventually(async () => {
      const { rows } = await sql<{ waiting: number }>`
        select count(*)::int as waiting from pg_locks where locktype = 'advisory' and not granted
          and database = (select oid from pg_database where datname = current_database())
      `.execute(system.db)
      assert.ok((rows[0]?.waiting ?? 0) >= Math.min(1, keys.length))
    })
    victim.kill('SIGKILL')
    await once(victim, 'exit')
  })
  // As if so much time had gone by; what is left is longer than any call under way.
  await sql`
    update booking_pushes
    set sending_until = sending_until - interval '4 seconds', lease_until = lease_until - interval '4 seconds'
  `.execute(system.db)
}

it('a worker killed before, during or after a call leaves one reservation for each booking, and what was desired last', async (t) => {
  const context = lastFirst(t)
  const system = await startTestSystem(context, {
    workers: false,
    settings: { HOSTAWAY_API_TIMEOUT_MS: timeoutMs },
  })
  const connection = await system.connect()
  const booked = bookedSystem(system)
  const writes = async (method: string, path: string) => (await system.control.calls({ method, path })).length
  const delayed = async (method: string, path: string) => {
    // One call is killed before its effect, one after it, and one after its answer.
    const late = { kind: 'latency', latencyMs: longMs, count: 1 } as const
    await system.control.injectFault({ ...late, method, path })
    await system.control.injectFault({ ...late, method, path, effect: 'after' })
  }

  await system.control.holdDeliveries(accountId)
  await delayed('POST', '/reservations')
  const made = await Promise.all(
    [10, 11, 12].map((days) =>
      booked.book(bookingBody(days, { unitId: 'hostaway-400003', amount: undefined })),
    ),
  )
  const posts = () => writes('POST', '/reservations')
  const markers = made.map(({ id }) => `${connection.id}:tvl-${id}`)
  await killDuring(context, system, { keys: markers, calls: posts, count: 3 })
  await withSurvivors(system, () => Promise.all(made.map(({ id }) => booked.whenPushed(id, 'done', 60_000))))
  assert.equal(await posts(), 3)
  assert.equal((await booked.reservations()).length, 3)

  const [moved, priced, ended] = made
  assert.ok(moved && priced && ended)
  await delayed('PUT', '/reservations/**')
  await booked.patch(moved.id, { checkIn: inDays(40), checkOut: inDays(44) })
  await booked.patch(priced.id, { guest: { name: 'Ada Renamed' } })
  await booked.cancel(ended.id)
  const puts = () => writes('PUT', '/reservations/**')
  await killDuring(context, system, { keys: [], calls: puts, count: 3 })
  await withSurvivors(system, async () => {
    await system.control.releaseDeliveries(accountId, 'reversed')
    await Promise.all(made.map(({ id }) => booked.whenPushed(id, 'done', 60_000)))
  })
  const reservations = await Promise.all(made.map(({ id }) => booked.reservationsOf(id)))
  assert.deepEqual(
    reservations.map((own) =>
      own.map(({ status, arrivalDate, guestName }) => ({ status, arrivalDate, guestName })),
    ),
    [
      [{ status: 'modified', arrivalDate: inDays(40), guestName: 'Ada Example' }],
      [{ status: 'modified', arrivalDate: inDays(11), guestName: 'Ada Renamed' }],
      [{ status: 'cancelled', arrivalDate: inDays(12), guestName: 'Ada Example' }],
    ],
  )
  assert.equal(await posts(), 3)
  assert.equal((await system.db.selectFrom('bookings').select('id').execute()).length, 3)
  assert.deepEqual(await booked.blocks(), [`${inDays(11)}…${inDays(14)}`, `${inDays(40)}…${inDays(44)}`])
})
