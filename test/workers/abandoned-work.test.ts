import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { sql } from 'kysely'
import { defaultLeaseMs } from '../../src/platform/work/leases.ts'
import { queueBackends } from '../support/backends.ts'
import { desireAvailability, inDays, listingIds, nightAt, writesAt } from '../support/desired-events.ts'
import { eventually } from '../support/eventually.ts'
import { startTestSystem } from '../support/test-system.ts'
import { productWorkerFile, startWorkerProcess } from '../support/worker-process.ts'

const withinMs = 5_000

describe('when a worker is killed in the middle of its pushes', () => {
  for (const backend of queueBackends()) {
    it(`another one takes its listings over within five seconds, on ${backend.name}`, async (t) => {
      // Calls may take as long as they like: a lease does not depend on it.
      const system = await startTestSystem(t, {
        backend,
        workers: false,
        settings: { HOSTAWAY_API_TIMEOUT_MS: '30000' },
      })
      await system.connect()
      const [reading = 0, writing = 0] = await listingIds(system)
      const night = inDays(9)
      const hang = { kind: 'latency', latencyMs: 60_000, count: 1 } as const
      await system.control.injectFault({ ...hang, method: 'PUT', path: `/listings/${writing}/calendar*` })
      await system.control.injectFault({ ...hang, method: 'GET', path: `/listings/${reading}/calendar` })
      for (const listing of [reading, writing]) {
        await desireAvailability(system, listing, [{ from: night, to: night, available: false }])
      }
      // What is not known is read before it is pushed.
      await sql`
        update calendar_days set unverified_since = clock_timestamp() where listing_id = ${String(reading)}
      `.execute(system.db)

      const victim = startWorkerProcess(t, system, {}, productWorkerFile)
      await eventually(
        async () => {
          const calls = await system.control.calls({ path: '/listings/*/calendar*' })
          assert.deepEqual(calls.map(({ method }) => method).sort(), ['GET', 'PUT'])
        },
        { timeoutMs: 60_000, intervalMs: 20 },
      )
      const [before] = await leasesOf(String(writing))
      // Heartbeats keep what is leased, however long a call lasts.
      await system.startWorkers()
      const read = await leasesOf(String(reading))
      await eventually(
        async () => {
          const [lease] = await leasesOf(String(reading))
          assert.ok(lease !== undefined && lease.keptMs > 2 * defaultLeaseMs, `${lease?.keptMs} ms`)
          assert.equal(lease.fence, read[0]?.fence)
        },
        { timeoutMs: 30_000 },
      )
      victim.kill('SIGKILL')
      await once(victim, 'exit')
      const killedAt = performance.now()

      await eventually(
        async () => assert.notEqual((await leasesOf(String(reading)))[0]?.fence, read[0]?.fence),
        { timeoutMs: 30_000, intervalMs: 20 },
      )
      const tookMs = performance.now() - killedAt
      assert.ok(tookMs <= withinMs, `${Math.round(tookMs)} ms`)
      t.diagnostic(`taken over after ${Math.round(tookMs)} ms`)
      await eventually(async () => assert.equal((await nightAt(system, reading, night)).isAvailable, 0), {
        timeoutMs: 30_000,
      })

      // The call that may still land protects its nights: nothing is read or written before it cannot.
      const [after] = await leasesOf(String(writing))
      assert.ok(after !== undefined && after.mayLandMs > 20_000, `${after?.mayLandMs} ms`)
      assert.equal(after.fence, before?.fence)
      const writes = (await writesAt(system)).filter(({ path }) => path.includes(`/${writing}/`))
      assert.equal(writes.length, 1)

      async function leasesOf(listingId: string) {
        const { rows } = await sql<{ fence: string; mayLandMs: number; keptMs: number }>`
          select fence, (extract(epoch from due_at - clock_timestamp()) * 1000)::float8 as "mayLandMs",
            (extract(epoch from lease_until - claimed_at) * 1000)::float8 as "keptMs"
          from listing_pushes where listing_id = ${listingId}
        `.execute(system.db)
        return rows
      }
    })
  }
})
