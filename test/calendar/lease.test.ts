import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { claimListing, listingLease, listingLeases } from '../../src/calendar/listing-push-store.ts'
import { pushDepsOf } from '../../src/calendar/push-context.ts'
import { pushListing } from '../../src/calendar/push-listing.ts'
import { findConnection } from '../../src/connections/connection-store.ts'
import { afterAll } from '../support/after-all.ts'
import {
  desireAvailability,
  fastTimes,
  inDays,
  nightAt,
  whenPushed,
  writesAt,
} from '../support/desired-events.ts'
import { startTestSystem, type TestConnection, type TestSystem } from '../support/test-system.ts'

describe('the lease of a listing', () => {
  const context = afterAll()
  let system: TestSystem
  let connection: TestConnection
  let house = 0

  before(async () => {
    system = await startTestSystem(context, {
      workers: false,
      outboundTimes: { ...fastTimes, settleMs: 0, restMs: 0 },
    })
    connection = await system.connect()
    house = await system.freshListing(connection)
  })

  const deps = () => pushDepsOf(system.deps)
  const claim = () => claimListing(system.db, connection.id, { leaseMs: 5_000 })
  const desireAvailable = (available: boolean) =>
    desireAvailability(system, house, [{ from: inDays(8), to: inDays(8), available }])
  const expireLease = () => sql`update listing_pushes set lease_until = clock_timestamp()`.execute(system.db)

  it('the lease of a listing is held by one worker at a time', async () => {
    await desireAvailable(false)
    const first = await claim()
    assert.ok(first)
    assert.equal(await claim(), undefined)
    await expireLease()
    const second = await claim()
    assert.ok(second)
    assert.ok(BigInt(second.fence) > BigInt(first.fence))
    await expireLease()
  })

  it('the lease of a listing lets a worker that was frozen until another took over change nothing any more', async () => {
    const found = await findConnection(system.db, connection.id)
    assert.ok(found)
    const frozen = await claim()
    assert.ok(frozen)
    await expireLease()
    const successor = await claim()
    assert.ok(successor)
    await system.control.clearCalls()
    assert.deepEqual(await pushListing(deps(), found, frozen), { outcome: 'lost' })
    assert.deepEqual(await writesAt(system), [])
    assert.deepEqual(await pushListing(deps(), found, successor), { outcome: 'done' })
    assert.equal((await writesAt(system)).length, 1)
  })

  it('heartbeats that wait for the row of a listing occupy one connection, and go on afterwards', async () => {
    await desireAvailable(true)
    const leaseMs = 200
    const row = await claimListing(system.db, connection.id, { leaseMs })
    assert.ok(row)
    const waiting = async () => {
      const { rows } = await sql<{ count: number }>`
        select count(*)::integer as count from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%listing_pushes%'
      `.execute(system.db)
      return rows[0]?.count
    }
    const leaseUntil = async () =>
      (await system.db.selectFrom('listing_pushes').select('lease_until').executeTakeFirstOrThrow())
        .lease_until
    await listingLeases.hold(system.db, listingLease(row), leaseMs, async () => {
      await system.db.transaction().execute(async (trx) => {
        await sql`select 1 from listing_pushes for update`.execute(trx)
        await delay(2 * leaseMs)
        assert.equal(await waiting(), 1)
      })
      const before = await leaseUntil()
      await delay(leaseMs)
      assert.ok(before !== null && Number(await leaseUntil()) > Number(before))
    })
    await expireLease()
  })

  it('a worker that dies during a call leaves a listing that is read back before it is pushed', async () => {
    await desireAvailable(true)
    await system.control.clearCalls()
    const found = await findConnection(system.db, connection.id)
    const dying = await claim()
    assert.ok(found)
    assert.ok(dying)
    // It wrote down that it was going to call, and was never heard of again.
    await sql`
      update listing_pushes set sending_from = ${inDays(8)}, sending_to = ${inDays(8)},
        sending_until = clock_timestamp(), lease_until = clock_timestamp()
    `.execute(system.db)
    await system.startWorkers()
    await whenPushed(system)
    const calls = await system.control.calls({ path: '/listings/**' })
    assert.deepEqual(
      calls.map(({ method }) => method),
      ['GET', 'PUT'],
    )
    assert.equal((await nightAt(system, house, inDays(8))).isAvailable, 1)
  })
})
