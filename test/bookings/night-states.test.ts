import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { afterAll } from '../support/after-all.ts'
import { desired, fastTimes, inDays } from '../support/desired-events.ts'
import { eventually } from '../support/eventually.ts'
import { newReservation } from '../support/reservation-bodies.ts'
import { sandboxAccount, startTestSystem } from '../support/test-system.ts'

type Day = {
  date: string
  state: string
  reason: string | null
  bookingIds: string[]
  queueId: string | null
  deadLetterId: string | null
  desiredAt: string | null
  desiredBy: { eventId: string; name: string } | null
}

describe('one night in one look', () => {
  const context = afterAll()

  it('a night says how it stands, why, and where to look further', async () => {
    const system = await startTestSystem(context, { outboundTimes: fastTimes })
    const connection = await system.connect()
    const unit = 'hostaway-400001'
    const price = (days: number, value: number) => ({
      type: 'pricing.updated',
      unitId: unit,
      currency: 'EUR',
      ranges: [{ from: inDays(days), to: inDays(days), price: value }],
    })
    const open = (days: number, available: boolean) => ({
      type: 'availability.updated',
      unitId: unit,
      ranges: [{ from: inDays(days), to: inDays(days), available }],
    })
    const nightIn = async (days: number): Promise<Day> => {
      const query = `tenant=demo&from=${inDays(days)}&to=${inDays(days)}`
      const { body } = await system.api<{ data: Day[] }>('GET', `/v1/units/${unit}/calendar?${query}`)
      const [day] = body.data
      assert.ok(day)
      return day
    }
    const becomes = (days: number, state: string) =>
      eventually(async () => {
        const night = await nightIn(days)
        assert.equal(night.state, state)
        return night
      })
    const patch = (body: unknown) => system.api('PATCH', `/v1/connections/${connection.id}`, body)

    assert.equal((await nightIn(30)).state, 'none')

    await desired(system, price(31, 120))
    const pushed = await becomes(31, 'pushed')
    assert.equal(pushed.reason, null)
    assert.equal(pushed.desiredBy?.name, 'admin')
    const event = await system.api<{ id: string }>('GET', `/v1/events/${pushed.desiredBy?.eventId}`)
    assert.equal(event.status, 200)

    const fault = await system.control.injectFault({
      kind: 'status',
      status: 422,
      method: 'PUT',
      path: '/listings/*/calendar**',
      body: { status: 'fail', message: 'Price is too low' },
    })
    await desired(system, price(32, 1))
    const failed = await becomes(32, 'failed')
    assert.match(failed.reason ?? '', /Price is too low/)
    const letter = await system.api<{ status: string }>('GET', `/v1/dead-letters/${failed.deadLetterId}`)
    assert.equal(letter.body.status, 'open')
    await system.control.clearFaults(fault.id)

    const stay = newReservation({ listingMapId: 400_001, arrivalDate: inDays(40), departureDate: inDays(42) })
    await system.deliver(connection, {
      event: 'reservation.created',
      accountId: sandboxAccount.accountId,
      data: stay,
    })
    await eventually(async () => assert.equal((await nightIn(40)).bookingIds.length, 1))
    await desired(system, open(40, false))
    const held = await nightIn(40)
    assert.deepEqual([held.state, held.queueId], ['held', null])
    assert.match(held.reason ?? '', /booking holds the night/)

    await patch({ sync: { pricing: { enabled: false } } })
    await desired(system, price(33, 130))
    assert.equal((await nightIn(33)).state, 'disabled')
    await patch({ sync: { pricing: { enabled: true } } })
    await becomes(33, 'pushed')

    await system.api('POST', `/v1/connections/${connection.id}/pause`)
    await desired(system, price(34, 140))
    const paused = await nightIn(34)
    assert.deepEqual(
      [paused.state, paused.reason],
      ['paused', 'The connection is paused, so nothing is pushed'],
    )
    await system.api('POST', `/v1/connections/${connection.id}/resume`)
    await becomes(34, 'pushed')

    await patch({ autoImport: false })
    const waiting = newReservation({
      listingMapId: 400_001,
      arrivalDate: inDays(50),
      departureDate: inDays(52),
    })
    await system.deliver(connection, {
      event: 'reservation.created',
      accountId: sandboxAccount.accountId,
      data: waiting,
    })
    const queued = await eventually(async () => {
      const night = await nightIn(50)
      assert.ok(night.queueId)
      return night
    })
    assert.deepEqual(queued.bookingIds, [])
    assert.equal((await system.api('GET', `/v1/booking-queue/${queued.queueId}`)).status, 200)

    await system.api('PUT', `/v1/connections/${connection.id}/listings/400001`, { unitId: 'elsewhere' })
    const query = `tenant=demo&from=${inDays(40)}&to=${inDays(50)}`
    type Unit = { unitId: string; days: Day[] }
    const all: Unit[] = []
    let cursor = ''
    do {
      const { body } = await system.api<{ data: Unit[]; nextCursor: string | null }>(
        'GET',
        `/v1/calendar?${query}&limit=2${cursor}`,
      )
      all.push(...body.data)
      cursor = body.nextCursor === null ? '' : `&cursor=${body.nextCursor}`
    } while (cursor !== '')
    const { body: units } = await system.api<{ data: Unit[] }>('GET', '/v1/units?tenant=demo&limit=200')
    assert.deepEqual(
      all.map(({ unitId }) => unitId),
      units.data.map(({ unitId }) => unitId),
    )
    assert.ok(all.every(({ days }) => days.length === 11))
    const moved = all.find(({ unitId }) => unitId === 'elsewhere')?.days[0]
    assert.equal(moved?.bookingIds.length, 1)
  })
})
