import assert from 'node:assert/strict'
import { before, beforeEach, describe, it } from 'node:test'
import { afterAll } from '../support/after-all.ts'
import {
  desireAvailability,
  desired,
  fastTimes,
  inDays,
  nightAt,
  syncOf,
  whenPushed,
  writesAt,
} from '../support/desired-events.ts'
import { eventually } from '../support/eventually.ts'
import {
  sandboxAccount,
  startTestSystem,
  type TestConnection,
  type TestSystem,
} from '../support/test-system.ts'

const { accountId } = sandboxAccount
const ahead = 20
type Letters = { data: Array<{ id: string; status: string; kind: string; subject: string; queue: string }> }

describe('when a push fails', () => {
  const context = afterAll()
  let system: TestSystem
  let connection: TestConnection
  let house = 0
  let studios = 0
  let archived = 0

  before(async () => {
    system = await startTestSystem(context, {
      outboundTimes: { ...fastTimes, landingMs: 500 },
      upkeepTimes: { sweepEveryMs: 100, pushOverdueMs: 50 },
      settings: { HOSTAWAY_API_TIMEOUT_MS: '1000', HOSTAWAY_CIRCUIT_BREAKER_ENABLED: 'false' },
    })
    const gone = await system.control.addListing(accountId, {
      name: 'Closed down',
      fields: { specialStatus: 'archived' },
    })
    archived = gone.listing.id
    connection = await system.connect()
  })
  beforeEach(async () => {
    await system.control.clearFaults()
    house = await system.freshListing(connection)
    studios = await system.freshListing(connection, 3)
    // The connector is wrong about how many units there are, so Hostaway refuses a night with more of them.
    await system.db
      .updateTable('listings')
      .set({ unit_count: 5 })
      .where('listing_id', '=', String(studios))
      .execute()
    await system.control.clearCalls()
  })

  const desire = (listing: number, ranges: object[]) => desireAvailability(system, listing, ranges)
  const sync = async (listing: number) => {
    const { listings } = await syncOf(system, connection)
    return listings.find(({ listingId }) => listingId === String(listing))
  }
  const letters = async (status = 'open') =>
    (await system.api<Letters>('GET', `/v1/dead-letters?queue=outbound&status=${status}`)).body.data
  const reads = () => system.control.calls({ method: 'GET', path: '/listings/*/calendar' })

  it('a call that took effect and timed out is read back and not made again', async () => {
    await system.control.injectFault({ kind: 'hang', effect: 'after', method: 'PUT', count: 1 })
    const day = inDays(ahead)
    await desire(house, [{ from: day, to: day, available: false }])
    await whenPushed(system)
    assert.equal((await writesAt(system)).length, 1)
    assert.equal((await reads()).length, 1)
    assert.equal((await nightAt(system, house, day)).isAvailable, 0)
  })

  it('a call that timed out without effect is read back and made again', async () => {
    await system.control.injectFault({ kind: 'hang', effect: 'before', method: 'PUT', count: 1 })
    const day = inDays(ahead)
    await desire(house, [{ from: day, to: day, available: false }])
    await whenPushed(system)
    assert.equal((await writesAt(system)).length, 2)
    assert.equal((await nightAt(system, house, day)).isAvailable, 0)
  })

  it('a timed-out call that lands late cannot overwrite the desired that came after it', async () => {
    await system.control.injectFault({ kind: 'latency', latencyMs: 1_300, method: 'PUT', count: 1 })
    const day = inDays(ahead)
    await desire(house, [{ from: day, to: day, available: false }])
    await eventually(async () => assert.equal((await writesAt(system)).length, 1))
    await desire(house, [{ from: day, to: day, available: true }])
    await whenPushed(system)
    assert.equal((await nightAt(system, house, day)).isAvailable, 1)
    assert.equal((await writesAt(system)).length, 2)
  })

  it('a 5xx is tried again with back-off and forgotten after a success', async () => {
    await system.control.injectFault({ kind: 'status', status: 500, method: 'PUT', count: 2 })
    const day = inDays(ahead)
    await desire(house, [{ from: day, to: day, available: false }])
    await whenPushed(system)
    assert.equal((await sync(house))?.attempts, 0)
    assert.equal((await nightAt(system, house, day)).isAvailable, 0)
    assert.deepEqual(await letters(), [])
  })

  it('a deferral uses up no attempt', async () => {
    await system.control.injectFault({
      kind: 'status',
      status: 429,
      retryAfterSeconds: 1,
      method: 'PUT',
      count: 1,
    })
    const day = inDays(ahead)
    await desire(house, [{ from: day, to: day, available: false }])
    await eventually(async () => assert.equal((await writesAt(system)).length, 1))
    assert.equal((await sync(house))?.attempts, 0)
    await whenPushed(system)
    assert.equal((await nightAt(system, house, day)).isAvailable, 0)
  })

  it('an edit during a push is pushed after it, and nothing else is', async () => {
    await system.control.injectFault({ kind: 'latency', latencyMs: 200, method: 'PUT', count: 1 })
    const [first, second] = [inDays(ahead), inDays(ahead + 5)]
    await desire(house, [{ from: first, to: first, available: false }])
    await eventually(async () => assert.equal((await writesAt(system)).length, 1))
    await desire(house, [{ from: second, to: second, available: false }])
    await whenPushed(system)
    assert.deepEqual(
      (await writesAt(system)).map(({ body }) => body),
      [
        { startDate: first, endDate: first, isAvailable: 0 },
        { startDate: second, endDate: second, isAvailable: 0 },
      ],
    )
  })

  it('of a refused batch only the faulty night becomes a dead letter, until its desired value changes', async () => {
    const bad = inDays(ahead + 3)
    const ranges = Array.from({ length: 8 }, (_, index) => {
      const day = inDays(ahead + index)
      return { from: day, to: day, unitsToSell: day === bad ? 5 : index % 2 }
    })
    await desire(studios, ranges)
    await whenPushed(system)
    const status = await sync(studios)
    assert.equal(status?.failedDays, 1)
    assert.equal(status?.pendingDays, 0)
    assert.equal((await nightAt(system, studios, inDays(ahead + 5))).desiredUnitsToSell, 1)
    const [letter, ...others] = await letters()
    assert.equal(letter?.kind, 'rejected')
    assert.ok(letter?.subject.endsWith(bad))
    assert.deepEqual(others, [])

    await system.control.clearCalls()
    await desire(studios, [{ from: bad, to: bad, unitsToSell: 2 }])
    await whenPushed(system)
    assert.equal((await writesAt(system)).length, 1)
    assert.equal((await sync(studios))?.failedDays, 0)
    assert.deepEqual(await letters(), [])
  })

  it('a night with a new desired value during its refusal becomes no dead letter', async () => {
    const day = inDays(ahead)
    const before = (await letters()).length
    await system.control.injectFault({ kind: 'latency', latencyMs: 200, method: 'PUT', count: 1 })
    await desire(studios, [{ from: day, to: day, unitsToSell: 5 }])
    await eventually(async () => assert.equal((await writesAt(system)).length, 1))
    await desire(studios, [{ from: day, to: day, unitsToSell: 2 }])
    await whenPushed(system)
    assert.equal((await nightAt(system, studios, day)).desiredUnitsToSell, 2)
    assert.equal((await sync(studios))?.failedDays, 0)
    assert.equal((await letters()).length, before)
  })

  it('details with new desired values during their refusal become no dead letter', async () => {
    const before = (await letters()).length
    const desireGuests = (maxGuests: number) =>
      desired(system, { type: 'listing.updated', unitId: `hostaway-${house}`, changes: { maxGuests } })
    const onPut = { path: '/listings/*', method: 'PUT', count: 1 } as const
    await system.control.injectFault({ ...onPut, kind: 'latency', latencyMs: 200 })
    await system.control.injectFault({ ...onPut, kind: 'fail200' })
    await desireGuests(7)
    await eventually(async () => assert.equal((await writesAt(system)).length, 1))
    await desireGuests(6)
    await whenPushed(system)
    assert.deepEqual((await writesAt(system)).at(-1)?.body, { personCapacity: 6 })
    assert.equal((await letters()).length, before)
  })

  it('an interval whose every night is refused is given up after a few of them', async () => {
    await desire(studios, [{ from: inDays(ahead), to: inDays(ahead + 19), unitsToSell: 5 }])
    await whenPushed(system)
    assert.equal((await sync(studios))?.failedDays, 20)
    const calls = (await writesAt(system)).length
    assert.ok(calls < 12, `${calls} calls`)
    await desire(studios, [{ from: inDays(ahead), to: inDays(ahead + 19), unitsToSell: 3 }])
    await whenPushed(system)
    assert.equal((await sync(studios))?.failedDays, 0)
    assert.deepEqual(await letters(), [])
  })

  it('an archived listing gets one dead letter, and no call follows', async () => {
    await desire(archived, [{ from: inDays(ahead), to: inDays(ahead + 40), available: false }])
    await eventually(async () => assert.equal((await letters()).length, 1))
    await whenPushed(system)
    assert.equal((await writesAt(system)).length, 1)
    assert.equal((await sync(archived))?.failedDays, 41)
    assert.equal((await letters())[0]?.kind, 'not_found')
  })

  it('replaying the dead letter tries once more', async () => {
    const [letter] = await letters()
    await system.api('POST', `/v1/dead-letters/${letter?.id}/replay`)
    await eventually(async () => assert.equal((await writesAt(system)).length, 1))
    await whenPushed(system)
    assert.equal((await letters()).length, 1)
  })

  it('a push that keeps failing becomes a dead letter, and a new desired value starts afresh', async () => {
    await system.control.injectFault({ kind: 'status', status: 500, path: '/listings/**' })
    const day = inDays(ahead)
    await desire(house, [{ from: day, to: day, available: false }])
    await eventually(async () => assert.equal((await letters()).length, 2))
    await whenPushed(system)
    assert.equal((await sync(house))?.failedDays, 1)
    await system.control.clearFaults()
    await desire(house, [{ from: day, to: day, available: true }])
    await whenPushed(system)
    assert.equal((await nightAt(system, house, day)).isAvailable, 1)
    assert.equal((await letters()).length, 1)
  })

  it('details that Hostaway refuses become a dead letter, and the calendar is pushed all the same', async () => {
    await system.control.injectFault({ kind: 'fail200', path: '/listings/*', method: 'PUT', count: 1 })
    const day = inDays(ahead)
    await desired(system, [
      { type: 'listing.updated', unitId: `hostaway-${house}`, changes: { maxGuests: 9 } },
      {
        type: 'availability.updated',
        unitId: `hostaway-${house}`,
        ranges: [{ from: day, to: day, available: false }],
      },
    ])
    await whenPushed(system)
    assert.equal((await nightAt(system, house, day)).isAvailable, 0)
    assert.equal((await letters()).length, 2)
    await desired(system, {
      type: 'listing.updated',
      unitId: `hostaway-${house}`,
      changes: { maxGuests: 8 },
    })
    await whenPushed(system)
    assert.equal((await letters()).length, 1)
  })
})
