import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { sql } from 'kysely'
import { addDays } from '../../../src/platform/days.ts'
import { holdingLock, waitingForLocks } from '../../support/advisory-locks.ts'
import { assertProblem } from '../../support/assert-problem.ts'
import {
  desired,
  fastTimes,
  inDays,
  nightAt,
  type SyncStatus,
  whenPushed,
} from '../../support/desired-events.ts'
import { eventually } from '../../support/eventually.ts'
import { startObserved } from '../../support/observed-inbound.ts'
import { type Fields, newReservation, versionAt } from '../../support/reservation-bodies.ts'

type MappedListing = {
  listingId: string
  unitId: string | null
  commissionRate: number | null
  moved: number
  released: number
}

const { system, connection, db, ...inbound } = await startObserved(
  { after },
  {
    connection: { autoMapListings: false },
    outboundTimes: fastTimes,
    // What is released here is released by the answer, not by a sweep.
    upkeepTimes: { releaseEveryMs: 3_600_000 },
  },
)
const loft = 400001
const house = 400002
const studios = 400003
const today = inDays(0)

const put = (listingId: number | string, order: unknown) =>
  system.api<MappedListing>('PUT', `/v1/connections/${connection.id}/listings/${listingId}`, order)

async function map(listingId: number, order: { unitId: string | null; commissionRate?: number | null }) {
  const answer = await put(listingId, order)
  assert.equal(answer.status, 200, answer.text)
  return answer.body
}

async function booked(fields: Fields) {
  const body = newReservation({ updatedOn: versionAt(0), ...fields })
  await inbound.send(body)
  return body
}

const tenantId = async () =>
  (await db.selectFrom('hostaway_connections').select('tenant_id').executeTakeFirstOrThrow()).tenant_id

const unitOf = async (id: number) => {
  const block = await inbound.block(id)
  return { booking: (await inbound.booking(id)).unitId, block: block?.unit_id }
}

describe('a listing', () => {
  it('a listing that is given a unit releases at once what waited for it, and keeps the rest of what it says', async () => {
    const waiting = [
      await booked({ arrivalDate: inDays(40), departureDate: inDays(44) }),
      await booked({ arrivalDate: inDays(50), departureDate: inDays(53) }),
      await booked({ arrivalDate: inDays(60), departureDate: null }),
    ]
    const [first] = waiting
    assert.ok(first)
    const webhookId = (await inbound.queued(first.id))?.webhook_id
    const mapped = await map(loft, { unitId: 'loft', commissionRate: 0.125 })
    assert.partialDeepStrictEqual(mapped, {
      listingId: String(loft),
      unitId: 'loft',
      commissionRate: 0.125,
      moved: 2,
      released: 3,
    })
    assert.deepEqual(await unitOf(first.id), { booking: 'loft', block: 'loft' })
    assert.equal((await inbound.queued(first.id))?.status, 'imported')
    assert.equal((await inbound.queued(first.id))?.webhook_id, webhookId)
    const { body: webhook } = await system.api<Fields>('GET', `/v1/webhooks/${webhookId}`)
    assert.deepEqual([webhook.status, webhook.outcome], ['processed', 'created'])
    const stillWaits = await inbound.queued(waiting[2]?.id ?? 0)
    assert.deepEqual(
      stillWaits?.problems.map(({ field }) => field),
      ['departureDate'],
    )
    assert.partialDeepStrictEqual(await map(loft, { unitId: 'loft' }), {
      commissionRate: 0.125,
      moved: 0,
      released: 0,
    })
    assert.equal((await map(loft, { unitId: 'loft', commissionRate: null })).commissionRate, null)
  })

  it('a listing has its unit alone on its connection, and keeps what a person decided', async () => {
    assertProblem(await put(house, { unitId: 'loft' }), 409, 'UNIT_ALREADY_MAPPED')
    assertProblem(await put(499_999, { unitId: 'anything' }), 404, 'NOT_FOUND')
    assertProblem(await put(house, { unitId: ' ', commissionRate: 15 }), 422, 'VALIDATION_FAILED')
    assertProblem(await put(house, {}), 422, 'VALIDATION_FAILED')
    await map(house, { unitId: `hostaway-${loft}` })
    await map(studios, { unitId: null })
    const again = await system.connect({ autoMapListings: true })
    assert.equal(again.id, connection.id)
    const { body } = await system.api<{ data: MappedListing[] }>(
      'GET',
      `/v1/connections/${connection.id}/listings`,
    )
    const units = new Map(body.data.map(({ listingId, unitId }) => [Number(listingId), unitId]))
    assert.deepEqual(
      [units.get(loft), units.get(house), units.get(studios)],
      ['loft', `hostaway-${loft}`, null],
    )
  })
})

describe('a listing that is given another unit', () => {
  it('a listing that is given another unit takes stays that are not over with it, and leaves those that are, whatever comes later', async () => {
    await map(house, { unitId: 'house' })
    const over = await booked({
      listingMapId: house,
      arrivalDate: inDays(-9),
      departureDate: addDays(today, -5),
    })
    const under = await booked({ listingMapId: house, arrivalDate: inDays(-2), departureDate: inDays(3) })
    const ahead = await booked({ listingMapId: house, arrivalDate: inDays(20), departureDate: inDays(24) })
    const other = await booked({ listingMapId: loft, arrivalDate: inDays(22), departureDate: inDays(23) })
    const before = (await inbound.events(ahead.id)).length

    const mapped = await map(house, { unitId: 'house-2' })
    assert.equal(mapped.moved, 2)
    assert.deepEqual(await unitOf(over.id), { booking: 'house', block: 'house' })
    for (const { id } of [under, ahead]) {
      assert.deepEqual(await unitOf(id), { booking: 'house-2', block: 'house-2' })
    }
    assert.deepEqual(
      (await inbound.events(ahead.id))
        .slice(before)
        .map(({ type, data }) => [type, data.unitId ?? (data.booking as Fields).unitId]),
      [
        ['booking.updated', 'house-2'],
        ['availability.released', 'house'],
        ['availability.blocked', 'house-2'],
      ],
    )
    await inbound.send({ ...over, totalPrice: 1, updatedOn: versionAt(1) })
    await inbound.send({ ...ahead, totalPrice: 1, updatedOn: versionAt(1) })
    assert.equal((await inbound.booking(over.id)).amount.minor, 100)
    assert.deepEqual(await unitOf(over.id), { booking: 'house', block: 'house' })
    assert.deepEqual(await unitOf(ahead.id), { booking: 'house-2', block: 'house-2' })

    await map(house, { unitId: null })
    await inbound.send({ ...ahead, totalPrice: 2, updatedOn: versionAt(2) })
    assert.equal((await inbound.booking(ahead.id)).amount.minor, 200)
    assert.deepEqual(await unitOf(ahead.id), { booking: 'house-2', block: 'house-2' })
    await map(loft, { unitId: null })
    const moved = await map(house, { unitId: 'loft' })
    assert.equal(moved.moved, 2)
    const [conflict] = (await inbound.events(ahead.id)).filter(({ type }) => type === 'booking.conflict')
    assert.deepEqual(conflict?.data.with, [String(other.id)])
  })

  it('a listing that is given another unit leaves where they are the stays for which a person chose the unit', async () => {
    const body = await booked({ listingMapId: studios, arrivalDate: inDays(30), departureDate: inDays(33) })
    const row = await inbound.queued(body.id)
    const answer = await system.api('POST', `/v1/booking-queue/${row?.id}/import`, { unitId: 'barn' })
    assert.equal(answer.status, 200, answer.text)
    assert.equal((await map(studios, { unitId: 'studios' })).moved, 0)
    assert.deepEqual(await unitOf(body.id), { booking: 'barn', block: 'barn' })
    const shown = await system.api<{ data: Fields[] }>(
      'GET',
      `/v1/units/barn/calendar?tenant=demo&from=${inDays(30)}&to=${inDays(30)}`,
    )
    assert.equal(shown.body.data[0]?.booked, true)
  })

  it('starts without desired; a full sync brings the unit’s own back, wherever its listing is', async () => {
    const [cabin, farm] = [400004, 400006]
    await map(cabin, { unitId: 'cabin' })
    const day = inDays(100)
    const desire = (unitId: string, values: object) =>
      desired(system, { type: 'availability.updated', unitId, ranges: [{ from: day, to: day, ...values }] })
    await desire('cabin', { available: false, minStay: 4 })
    await whenPushed(system)
    assert.equal((await nightAt(system, cabin, day)).isAvailable, 0)

    await map(cabin, { unitId: null })
    await map(farm, { unitId: 'cabin' })
    const nothing = await system.db
      .selectFrom('calendar_days')
      .select('day')
      .where('listing_id', 'in', [String(cabin), String(farm)])
      .execute()
    assert.deepEqual(nothing, [])
    await desire('cabin', { minStay: 2 })
    await whenPushed(system)
    assert.equal((await nightAt(system, farm, day)).isAvailable, 1)

    await system.api('POST', `/v1/connections/${connection.id}/full-sync`)
    await whenPushed(system)
    const night = await nightAt(system, farm, day)
    assert.deepEqual([night.isAvailable, night.minimumStay], [0, 2])
    const { body } = await system.api<SyncStatus>('GET', `/v1/connections/${connection.id}/sync`)
    assert.equal(body.pendingDays, 0)
  })

  it('gets back all units as all of its own, and no price in another currency', async () => {
    const machiya = 400004
    const [some, all] = [inDays(110), inDays(111)]
    await map(studios, { unitId: 'trio' })
    await desired(system, [
      {
        type: 'availability.updated',
        unitId: 'trio',
        ranges: [
          { from: some, to: some, unitsToSell: 2 },
          { from: all, to: all, available: true },
        ],
      },
      {
        type: 'pricing.updated',
        unitId: 'trio',
        currency: 'USD',
        ranges: [{ from: some, to: all, price: 120 }],
      },
      { type: 'listing.updated', unitId: 'trio', changes: { personCapacity: 5 } },
    ])
    await map(studios, { unitId: null })
    await map(machiya, { unitId: 'trio' })
    await system.api('POST', `/v1/connections/${connection.id}/full-sync`)
    const { body } = await system.api<{ data: Array<{ desired: Fields }> }>(
      'GET',
      `/v1/units/trio/calendar?tenant=demo&from=${some}&to=${all}`,
    )
    assert.deepEqual(
      body.data.map(({ desired }) => desired),
      [{ available: true }, { available: true }],
    )
    const push = await db
      .selectFrom('listing_pushes')
      .select('desired_details')
      .where('listing_id', '=', String(machiya))
      .executeTakeFirstOrThrow()
    assert.deepEqual(push.desired_details, { personCapacity: 5 })
    for (const table of ['parked_desired', 'parked_details'] as const) {
      assert.deepEqual(
        await sql`select unit_id from ${sql.table(table)} where unit_id = 'trio'`
          .execute(db)
          .then(({ rows }) => rows),
        [],
      )
    }
  })

  it('a listing that is given another unit takes no desired for the unit it had, not even one that is written at the same moment', async () => {
    const cabin = 400006
    const day = inDays(120)
    for (let round = 0; round < 5; round += 1) {
      await map(cabin, { unitId: 'before' })
      const event = {
        type: 'availability.updated',
        unitId: 'before',
        ranges: [{ from: day, to: day, minStay: round + 1 }],
      }
      const [desired] = await Promise.all([
        system.api('POST', '/v1/events?tenant=demo', event),
        map(cabin, { unitId: 'after' }),
      ])
      assert.ok(desired.status === 202 || desired.status === 422, desired.text)
      const left = await db
        .selectFrom('calendar_days')
        .select('desired_min_stay')
        .where('listing_id', '=', String(cabin))
        .execute()
      assert.deepEqual(left, [])
    }
  })

  it('a listing that is given another unit waits for the booking that is just being written, and takes it along', async () => {
    const villa = 400005
    await map(villa, { unitId: 'villa-1' })
    const body = newReservation({ listingMapId: villa, updatedOn: versionAt(0) })
    // Stops the booking after it has read which unit it is for, and before it writes.
    const [, mapped] = await Promise.all(
      await holdingLock(db, `unit:${await tenantId()}:villa-1`, async () => {
        const booking = inbound.send(body)
        await eventually(async () => assert.equal(await waitingForLocks(db), 1), { intervalMs: 5 })
        let isMapped = false
        const mapping = map(villa, { unitId: 'villa-2' }).finally(() => {
          isMapped = true
        })
        await eventually(async () => assert.ok(isMapped || (await waitingForLocks(db)) === 2), {
          intervalMs: 5,
        })
        return [booking, mapping] as const
      }),
    )
    assert.equal(mapped.moved, 1)
    assert.deepEqual(await unitOf(body.id), { booking: 'villa-2', block: 'villa-2' })
  })

  it('a listing that is given another unit while bookings of it arrive ends with all of them in its last unit', async () => {
    const busy = 400005
    const bodies = Array.from({ length: 24 }, (_, index) =>
      newReservation({
        listingMapId: busy,
        arrivalDate: inDays(200 + 4 * index),
        departureDate: inDays(202 + 4 * index),
        updatedOn: versionAt(0),
      }),
    )
    const units = ['busy-1', 'busy-2', 'busy-3', 'busy-4']
    await Promise.all([
      ...bodies.map(async (body) => {
        await inbound.send(body)
        await inbound.send({ ...body, totalPrice: 7, updatedOn: versionAt(1) })
      }),
      (async () => {
        for (const unitId of units) await map(busy, { unitId })
      })(),
    ])
    for (const { id } of bodies) {
      assert.deepEqual(await unitOf(id), { booking: 'busy-4', block: 'busy-4' })
      // Replayed in order, the events leave the nights in one unit.
      const held = new Set<unknown>()
      for (const { type, data } of await inbound.events(id)) {
        if (type === 'availability.blocked') held.add(data.unitId)
        if (type === 'availability.released') assert.ok(held.delete(data.unitId))
      }
      assert.deepEqual([...held], ['busy-4'])
    }
  })

  it('many listings are mapped at once or not at all, and two of them change places', async () => {
    type Many = { data: MappedListing[] }
    const putAll = (orders: unknown) =>
      system.api<Many>('PUT', `/v1/connections/${connection.id}/listings`, orders)
    await map(loft, { unitId: 'one' })
    await map(house, { unitId: 'two' })
    const swapped = await putAll([
      { listingId: String(loft), unitId: 'two' },
      { listingId: String(house), unitId: 'one', commissionRate: 0.2 },
    ])
    assert.equal(swapped.status, 200, swapped.text)
    assert.deepEqual(
      swapped.body.data.map(({ listingId, unitId }) => [listingId, unitId]),
      [
        [String(loft), 'two'],
        [String(house), 'one'],
      ],
    )
    const taken = await putAll([
      { listingId: String(loft), unitId: null },
      { listingId: String(studios), unitId: 'one' },
    ])
    assertProblem(taken, 409, 'UNIT_ALREADY_MAPPED')
    const unknown = await putAll([
      { listingId: String(loft), unitId: null },
      { listingId: '1', unitId: 'x' },
    ])
    assertProblem(unknown, 404, 'NOT_FOUND')
    const twice = await putAll([
      { listingId: String(loft), unitId: 'x' },
      { listingId: String(loft), unitId: 'x' },
    ])
    const { errors = [] } = assertProblem(twice, 422, 'VALIDATION_FAILED')
    assert.deepEqual(
      errors.map(({ field }) => field),
      ['1.listingId', '1.unitId'],
    )
    const { body } = await system.api<Many>('GET', `/v1/connections/${connection.id}/listings`)
    assert.equal(body.data.find(({ listingId }) => listingId === String(loft))?.unitId, 'two')
  })
})
