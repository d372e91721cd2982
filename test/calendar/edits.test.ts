import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { afterAll } from '../support/after-all.ts'
import { queueBackends } from '../support/backends.ts'
import { desired, fastTimes, inDays, listingIds, whenPushed, writesAt } from '../support/desired-events.ts'
import { startTestSystem, type TestSystem } from '../support/test-system.ts'

for (const backend of queueBackends()) {
  describe(`an edit makes exactly the calls it needs, on ${backend.name}`, () => {
    const context = afterAll()
    let system: TestSystem
    let loft: number
    let canal: number
    let studios: number
    let cabin: number

    before(async () => {
      system = await startTestSystem(context, { backend, outboundTimes: fastTimes })
      await system.connect()
      const ids = await listingIds(system)
      ;[loft = 0, canal = 0, studios = 0, , , cabin = 0] = ids
    })

    const unit = (listing: number) => `hostaway-${listing}`
    const available = (listing: number, ranges: unknown[]) => ({
      type: 'availability.updated',
      unitId: unit(listing),
      ranges,
    })
    const priced = (listing: number, currency: string, ranges: unknown[]) => ({
      type: 'pricing.updated',
      unitId: unit(listing),
      currency,
      ranges,
    })
    const calendar = (listing: number) => `/listings/${listing}/calendar`

    async function writesOf(events: unknown) {
      await system.control.clearCalls()
      await desired(system, events)
      await whenPushed(system)
      return writesAt(system)
    }

    async function pushesSoFar() {
      const { values } = await system.deps.metrics.syncJobs.get()
      const of = (type: string) =>
        values.find(({ labels }) => labels.sync_type === type && labels.status === 'success')?.value ?? 0
      return { calendar: of('calendar'), listing: of('listing') }
    }

    it('a single day is closed with one interval of one day', async () => {
      const day = inDays(10)
      assert.deepEqual(await writesOf(available(loft, [{ from: day, to: day, available: false }])), [
        { path: calendar(loft), body: { startDate: day, endDate: day, isAvailable: 0 } },
      ])
    })

    it('the same desired again makes no call', async () => {
      const day = inDays(10)
      assert.deepEqual(await writesOf(available(loft, [{ from: day, to: day, available: false }])), [])
    })

    it('three days in three listings in one save are three calls', async () => {
      const range = { from: inDays(20), to: inDays(22), available: false }
      const writes = await writesOf([loft, canal, cabin].map((listing) => available(listing, [range])))
      const body = { startDate: range.from, endDate: range.to, isAvailable: 0 }
      assert.deepEqual(
        writes.toSorted((left, right) => left.path.localeCompare(right.path)),
        [loft, canal, cabin].map((listing) => ({ path: calendar(listing), body })),
      )
    })

    it('of overlapping ranges the later one in the array wins', async () => {
      const writes = await writesOf(
        priced(canal, 'EUR', [
          { from: inDays(30), to: inDays(39), price: 100 },
          { from: inDays(33), to: inDays(34), price: 150 },
        ]),
      )
      assert.deepEqual(writes, [
        {
          path: `/listings/${canal}/calendarIntervals`,
          body: [
            { startDate: inDays(30), endDate: inDays(32), price: 100 },
            { startDate: inDays(33), endDate: inDays(34), price: 150 },
            { startDate: inDays(35), endDate: inDays(39), price: 100 },
          ],
        },
      ])
    })

    it('a longest stay alone and a shortest stay alone say nothing else', async () => {
      const day = inDays(45)
      const first = await writesOf(available(canal, [{ from: day, to: day, minStay: 3 }]))
      const second = await writesOf(available(canal, [{ from: day, to: day, maxStay: 21 }]))
      const body = { startDate: day, endDate: day }
      assert.deepEqual(first, [{ path: calendar(canal), body: { ...body, minimumStay: 3 } }])
      assert.deepEqual(second, [{ path: calendar(canal), body: { ...body, maximumStay: 21 } }])
    })

    it('stop-sell and both restrictions on arrival and departure travel together, false as 0', async () => {
      const range = { from: inDays(50), to: inDays(52) }
      const writes = await writesOf(
        available(canal, [{ ...range, available: false, closedOnArrival: true, closedOnDeparture: false }]),
      )
      assert.deepEqual(writes, [
        {
          path: calendar(canal),
          body: {
            startDate: range.from,
            endDate: range.to,
            isAvailable: 0,
            closedOnArrival: 1,
            closedOnDeparture: 0,
          },
        },
      ])
      assert.deepEqual(await writesOf(available(canal, [{ ...range, closedOnArrival: false }])), [
        { path: calendar(canal), body: { startDate: range.from, endDate: range.to, closedOnArrival: 0 } },
      ])
    })

    it('half a year with a price and restrictions is one interval', async () => {
      const range = { from: inDays(100), to: inDays(280) }
      const writes = await writesOf([
        priced(loft, 'EUR', [{ ...range, price: 456.23 }]),
        available(loft, [{ ...range, minStay: 2, maxStay: 30, available: true, note: 'Summer' }]),
      ])
      assert.deepEqual(writes, [
        {
          path: calendar(loft),
          body: {
            startDate: range.from,
            endDate: range.to,
            isAvailable: 1,
            price: 456.23,
            minimumStay: 2,
            maximumStay: 30,
            note: 'Summer',
          },
        },
      ])
    })

    it('a listing of several units gets the number of units to sell', async () => {
      const days = { from: inDays(60), to: inDays(61) }
      const writes = await writesOf(available(studios, [{ ...days, unitsToSell: 2 }]))
      assert.deepEqual(writes, [
        {
          path: calendar(studios),
          body: { startDate: days.from, endDate: days.to, desiredUnitsToSell: 2 },
        },
      ])
      const closed = await writesOf(available(studios, [{ ...days, available: false }]))
      assert.deepEqual(closed[0]?.body, { startDate: days.from, endDate: days.to, desiredUnitsToSell: 0 })
    })

    it('250 alternating days are two calls, of 200 and of 50 intervals', async () => {
      const ranges = Array.from({ length: 250 }, (_, index) => {
        const day = inDays(300 + index)
        return { from: day, to: day, available: index % 2 === 0 }
      })
      const writes = await writesOf(available(cabin, ranges))
      const intervals = ranges.map(({ from, to, available }) => ({
        startDate: from,
        endDate: to,
        isAvailable: available ? 1 : 0,
      }))
      const path = `/listings/${cabin}/calendarIntervals`
      assert.deepEqual(writes, [
        { path, body: intervals.slice(0, 200) },
        { path, body: intervals.slice(200) },
      ])
    })

    it('an edit in the past is refused with its place, and nothing beside it is taken', async () => {
      await system.control.clearCalls()
      const past = inDays(-3)
      const { status, body } = await system.api<{ errors?: unknown[] }>('POST', '/v1/events?tenant=demo', [
        available(loft, [{ from: inDays(90), to: inDays(90), available: false }]),
        available(loft, [{ from: past, to: past, available: false }]),
      ])
      assert.equal(status, 422)
      assert.match(JSON.stringify(body), new RegExp(`${past}.*past`))
      await whenPushed(system)
      assert.deepEqual(await writesAt(system), [])
    })

    it('a change back before the push makes no call', async () => {
      const day = inDays(10)
      const writes = await writesOf([
        available(loft, [{ from: day, to: day, available: true }]),
        available(loft, [{ from: day, to: day, available: false }]),
      ])
      assert.deepEqual(writes, [])
    })

    it('a day between two changed ones that is desired alike is bridged by one interval', async () => {
      await writesOf(priced(loft, 'EUR', [{ from: inDays(71), to: inDays(71), price: 90 }]))
      const writes = await writesOf(
        priced(loft, 'EUR', [
          { from: inDays(70), to: inDays(70), price: 90 },
          { from: inDays(72), to: inDays(72), price: 90 },
        ]),
      )
      assert.deepEqual(writes, [
        { path: calendar(loft), body: { startDate: inDays(70), endDate: inDays(72), price: 90 } },
      ])
    })

    it('nights and details that are pushed together count as one of each', async () => {
      const before = await pushesSoFar()
      const day = inDays(40)
      const writes = await writesOf([
        available(cabin, [{ from: day, to: day, available: false }]),
        { type: 'listing.updated', unitId: unit(cabin), changes: { maxGuests: 7 } },
      ])
      assert.equal(writes.length, 2)
      assert.deepEqual(await pushesSoFar(), { calendar: before.calendar + 1, listing: before.listing + 1 })
    })

    it('changed details are sent alone, by Hostaway’s names, and only once', async () => {
      const event = {
        type: 'listing.updated',
        unitId: unit(cabin),
        changes: { name: 'Alpine Cabin', maxGuests: 6, cleaningFee: 49.5 },
      }
      assert.deepEqual(await writesOf(event), [
        {
          path: `/listings/${cabin}`,
          body: { name: 'Alpine Cabin', personCapacity: 6, cleaningFee: 49.5 },
        },
      ])
      assert.deepEqual(await writesOf(event), [])
      assert.deepEqual(await writesOf({ ...event, changes: { maxGuests: 7, name: 'Alpine Cabin' } }), [
        { path: `/listings/${cabin}`, body: { personCapacity: 7 } },
      ])
    })
  })
}
