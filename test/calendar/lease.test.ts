import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { sql } from 'kysely'
import { claimListing } from '../../src/calendar/listing-push-store.ts'
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
