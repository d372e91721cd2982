import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { afterAll } from '../support/after-all.ts'
import {
  desireAvailability,
  desired,
  fastTimes,
  inDays,
  listingIds,
  nightAt,
  syncOf,
  whenPushed,
  writeAtHostaway,
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

describe('what Hostaway’s bookings and people do to the calendar', () => {
  const context = afterAll()
  let system: TestSystem
  let connection: TestConnection
  let loft = 0
  let studios = 0

  before(async () => {
    system = await startTestSystem(context, {
      outboundTimes: fastTimes,
      upkeepTimes: { sweepEveryMs: 100, pushOverdueMs: 50, scheduleEveryMs: 3_600_000 },
    })
    connection = await system.connect()
    const ids = await listingIds(system)
    ;[loft = 0, , studios = 0] = ids
  })

  const desire = (listing: number, from: string, to: string, values: object) =>
    desireAvailability(system, listing, [{ from, to, ...values }])
  const blocks = () => system.db.selectFrom('availability_blocks').selectAll().execute()
  const sync = () => syncOf(system, connection)

  it('the availability of a booked night is held back, the rest of the desired is not', async () => {
    await system.control.book(accountId, {
      listingMapId: loft,
      arrivalDate: inDays(10),
      departureDate: inDays(12),
    })
    await eventually(async () => assert.equal((await blocks()).length, 1))
    await system.control.clearCalls()
    await desire(loft, inDays(9), inDays(12), { available: false, minStay: 2 })
    await whenPushed(system)
    assert.deepEqual(
      (await writesAt(system)).flatMap(({ body }) => body),
      [
        { startDate: inDays(9), endDate: inDays(9), isAvailable: 0, minimumStay: 2 },
        { startDate: inDays(10), endDate: inDays(11), minimumStay: 2 },
        { startDate: inDays(12), endDate: inDays(12), isAvailable: 0, minimumStay: 2 },
      ],
    )
    assert.equal((await sync()).pendingDays, 0)
  })

  it('when the booking leaves, the nights it had opened are read back and closed again', async () => {
    const { reservations } = await system.control.state(accountId)
    await system.control.cancel(accountId, reservations[0]?.id ?? 0)
    await eventually(async () => assert.equal((await nightAt(system, loft, inDays(10))).isAvailable, 0))
    await whenPushed(system)
    assert.deepEqual((await writesAt(system)).at(-1), {
      path: `/listings/${loft}/calendar`,
      body: { startDate: inDays(10), endDate: inDays(11), isAvailable: 0 },
    })
  })

  it('nights blocked before the booking are blocked again after it', async () => {
    await desire(loft, inDays(20), inDays(22), { available: false })
    await whenPushed(system)
    const booked = await system.control.book(accountId, {
      listingMapId: loft,
      arrivalDate: inDays(20),
      departureDate: inDays(23),
      force: true,
    })
    await eventually(async () => assert.equal((await blocks()).length, 1))
    await system.control.cancel(accountId, booked.id)
    await eventually(async () => {
      assert.equal((await blocks()).length, 0)
      assert.equal((await nightAt(system, loft, inDays(21))).status, 'blocked')
    })
  })

  it('nights desired open need no call after a booking has left, and a read-back shows that', async () => {
    await desire(loft, inDays(30), inDays(31), { available: true })
    await whenPushed(system)
    const booked = await system.control.book(accountId, {
      listingMapId: loft,
      arrivalDate: inDays(30),
      departureDate: inDays(32),
    })
    await eventually(async () => assert.equal((await blocks()).length, 1))
    await system.control.clearCalls()
    await system.control.cancel(accountId, booked.id)
    await eventually(async () => {
      const reads = await system.control.calls({ method: 'GET', path: '/listings/*/calendar' })
      assert.equal(reads.length, 1)
    })
    await whenPushed(system)
    assert.deepEqual(await writesAt(system), [])
  })

  it('a listing of several units is held back only where none is left', async () => {
    const stay = { listingMapId: studios, arrivalDate: inDays(40), departureDate: inDays(41) }
    await system.control.book(accountId, stay)
    await eventually(async () => assert.equal((await blocks()).length, 1))
    await system.control.clearCalls()
    await desire(studios, inDays(40), inDays(40), { unitsToSell: 1 })
    await whenPushed(system)
    assert.equal((await writesAt(system)).length, 1)
    await system.control.book(accountId, { ...stay, force: true })
    await system.control.book(accountId, { ...stay, force: true })
    await eventually(async () => assert.equal((await blocks()).length, 3))
    await desire(studios, inDays(40), inDays(40), { unitsToSell: 2 })
    await whenPushed(system)
    assert.equal((await writesAt(system)).length, 1)
  })

  it('a manual edit of a desired field is drift: counted, listed and put right; of another field it is not', async () => {
    const day = inDays(60)
    await desired(system, {
      type: 'pricing.updated',
      unitId: `hostaway-${loft}`,
      currency: 'EUR',
      ranges: [{ from: day, to: inDays(62), price: 120 }],
    })
    await whenPushed(system)
    await writeAtHostaway(system, loft, { startDate: day, endDate: day, price: 99, minimumStay: 4 })
    await system.control.clearCalls()
    await system.db.updateTable('listing_pushes').set({ check_due_at: new Date() }).execute()
    await eventually(async () => assert.equal((await nightAt(system, loft, day)).price, 120))
    await whenPushed(system)
    assert.deepEqual(await writesAt(system), [
      { path: `/listings/${loft}/calendar`, body: { startDate: day, endDate: day, price: 120 } },
    ])
    assert.equal((await nightAt(system, loft, day)).minimumStay, 4)
    const { value } = (await system.deps.metrics.driftedDays.get()).values[0] ?? {}
    assert.equal(value, 1)
  })

  it('looking for drift where there is none makes no write', async () => {
    await system.control.clearCalls()
    await system.db.updateTable('listing_pushes').set({ check_due_at: new Date() }).execute()
    await eventually(async () => {
      const reads = await system.control.calls({ method: 'GET', path: '/listings/*/calendar' })
      assert.equal(reads.length, 2)
    })
    await whenPushed(system)
    assert.deepEqual(await writesAt(system), [])
  })

  it('a full sync sends everything desired once more, and nothing after that', async () => {
    await system.control.clearCalls()
    const answer = await system.api('POST', `/v1/connections/${connection.id}/full-sync`)
    assert.equal(answer.status, 202)
    await whenPushed(system)
    // The other listing's only desired value is held back.
    const writes = await writesAt(system)
    assert.deepEqual(
      writes.map(({ path }) => path),
      [`/listings/${loft}/calendarIntervals`],
    )
    assert.equal((await sync()).pendingDays, 0)
  })

  it('the unit’s calendar shows what is desired, what was pushed, and what waits', async () => {
    await system.stopWorkers()
    await desire(loft, inDays(70), inDays(70), { available: false, note: 'Painting' })
    const path = `/v1/units/hostaway-${loft}/calendar?tenant=demo&from=${inDays(70)}&to=${inDays(71)}`
    const read = () => system.api<{ data: Array<Record<string, unknown>> }>('GET', path)
    const waiting = (await read()).body.data.map(({ desired, pushed, pending }) => ({
      desired,
      pushed,
      pending,
    }))
    assert.deepEqual(waiting, [
      { desired: { available: false, note: 'Painting' }, pushed: {}, pending: true },
      { desired: {}, pushed: {}, pending: false },
    ])
    await system.startWorkers()
    await whenPushed(system)
    assert.deepEqual((await read()).body.data[0]?.pushed, { available: false, note: 'Painting' })
  })
})
