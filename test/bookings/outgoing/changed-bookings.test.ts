import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sql } from 'kysely'
import { pushBookings } from '../../../src/bookings/outgoing/push-bookings.ts'
import { pushDepsOf } from '../../../src/calendar/push-context.ts'
import { holdingLock, waitingForLocks } from '../../support/advisory-locks.ts'
import { afterAll } from '../../support/after-all.ts'
import { bookedSystem, bookingBody } from '../../support/booked-system.ts'
import { fastTimes, inDays } from '../../support/desired-events.ts'
import { eventually } from '../../support/eventually.ts'
import { sandboxAccount, startTestSystem } from '../../support/test-system.ts'

const { accountId } = sandboxAccount

describe('a booking that is changed in TVL', async () => {
  const context = afterAll()
  const system = await startTestSystem(context, {
    outboundTimes: fastTimes,
    upkeepTimes: { sweepEveryMs: 100, pushOverdueMs: 50 },
    settings: { HOSTAWAY_API_TIMEOUT_MS: '1000' },
  })
  const connection = await system.connect()
  const booked = bookedSystem(system)
  const changes = async (id: number) => {
    const calls = await system.control.calls({ method: 'PUT', path: `/reservations/${id}` })
    return calls.map(({ body }) => body)
  }

  it('a booking that is changed in TVL is changed at Hostaway, only in what differs, and the old nights are held until they are let go there', async () => {
    const made = await booked.book(bookingBody(10))
    const { externalId } = await booked.whenPushed(made.id)
    const id = Number(externalId)
    await system.control.injectFault({
      kind: 'status',
      status: 503,
      method: 'PUT',
      path: `/reservations/${id}`,
    })
    const moved = await booked.patch(made.id, {
      checkIn: inDays(12),
      checkOut: inDays(16),
      guests: { children: 2 },
    })
    assert.equal(moved.body.guests.total, 4)
    assert.equal(moved.body.checkIn, inDays(12))
    assert.equal(moved.body.push?.status, 'pending')
    assert.deepEqual(await booked.blocks(), [`${inDays(10)}…${inDays(13)}`, `${inDays(13)}…${inDays(16)}`])
    for (const days of [10, 14]) {
      const taken = await booked.post(bookingBody(days, { checkOut: inDays(days + 1) }))
      assert.equal(taken.body.code, 'UNIT_NOT_AVAILABLE')
    }
    await system.control.clearFaults()
    await booked.whenPushed(made.id)
    assert.deepEqual((await changes(id)).at(-1), {
      arrivalDate: inDays(12),
      departureDate: inDays(16),
      numberOfGuests: 4,
      children: 2,
    })
    assert.deepEqual(await booked.blocks(), [`${inDays(12)}…${inDays(16)}`])
    assert.equal((await booked.post(bookingBody(10, { checkOut: inDays(12) }))).status, 201)

    // What is there already costs no call.
    await system.control.whenDelivered()
    const before = (await changes(id)).length
    await booked.patch(made.id, { checkIn: inDays(12), note: 'arrives late' })
    await booked.whenPushed(made.id)
    assert.equal((await changes(id)).length, before)
  })

  it('during a push is pushed once more, and the later desired value wins', async () => {
    const made = await booked.book(bookingBody(30))
    const { externalId } = await booked.whenPushed(made.id)
    const path = `/reservations/${externalId}`
    await system.control.injectFault({ kind: 'latency', latencyMs: 400, method: 'PUT', path, count: 1 })
    await booked.patch(made.id, { amount: { total: 500, currency: 'EUR' } })
    assert.equal((await booked.patch(made.id, { guest: {} })).body.code, 'VALIDATION_FAILED')
    await eventually(async () => {
      assert.equal((await system.control.calls({ method: 'PUT', path })).length, 1)
    })
    await booked.patch(made.id, { amount: { total: 600, currency: 'EUR' } })
    await booked.patch(made.id, { amount: { total: '700.5', currency: 'EUR' }, guest: { phone: '+49 1' } })
    const pushed = await booked.whenPushed(made.id)
    assert.equal(pushed.amount.total, '700.50')
    const [reservation] = await booked.reservationsOf(made.id)
    assert.equal(reservation?.totalPrice, 700.5)
    assert.equal(reservation?.phone, '+49 1')
    assert.deepEqual(
      (await changes(Number(externalId))).map((body) => Object.keys(body as object)),
      [['totalPrice'], ['phone', 'totalPrice']],
    )
  })

  it('a booking that is changed while an earlier change is being refused is not stopped by that refusal', async () => {
    const made = await booked.book(bookingBody(40))
    const { externalId } = await booked.whenPushed(made.id)
    const onPut = { method: 'PUT', path: `/reservations/${externalId}`, count: 1 } as const
    await system.control.injectFault({ ...onPut, kind: 'latency', latencyMs: 400 })
    await system.control.injectFault({ ...onPut, kind: 'status', status: 422 })
    await booked.patch(made.id, { guest: { phone: 'no number' } })
    await eventually(async () => {
      const { method, path } = onPut
      assert.equal((await system.control.calls({ method, path })).length, 1)
    })
    await booked.patch(made.id, { guest: { phone: '+49 2' } })
    await booked.whenPushed(made.id)
    assert.equal((await booked.reservationsOf(made.id))[0]?.phone, '+49 2')
    const { body } = await system.api<{ data: unknown[] }>('GET', '/v1/dead-letters')
    assert.deepEqual(body.data, [])
  })

  it('of two changes at once that each move another day behind the other only the first is made', async () => {
    const made = await booked.book(bookingBody(120))
    const { externalId } = await booked.whenPushed(made.id)
    const lock = `reservation:${connection.id}:${externalId}`
    const answers = await holdingLock(system.db, lock, async () => {
      const both = [{ checkIn: inDays(122) }, { checkOut: inDays(121) }].map((change) =>
        booked.patch(made.id, change),
      )
      await eventually(async () => assert.equal(await waitingForLocks(system.db), 2))
      return both
    })
    const [taken, refused] = (await Promise.all(answers)).toSorted((a, b) => a.status - b.status)
    assert.equal(taken?.status, 200)
    assert.deepEqual([refused?.status, refused?.body.errors?.[0]?.field], [422, 'checkOut'])
    const { checkIn, checkOut } = await booked.whenPushed(made.id)
    assert.deepEqual([checkIn, checkOut], [taken?.body.checkIn, taken?.body.checkOut])
  })

  it('a booking that is changed in TVL shows the newest steps in its timeline, however many there are', async () => {
    const made = await booked.book(bookingBody(130))
    await booked.whenPushed(made.id)
    await sql`
      insert into booking_push_steps (booking_id, step, detail)
      select ${made.id}, 'accepted', 'step ' || nth from generate_series(1, 300) as nth
    `.execute(system.db)
    await sql`
      insert into event_outbox (tenant_id, connection_id, subject, type, data)
      select tenant_id, connection_id, subject, type, data from event_outbox, generate_series(1, 300)
      where type = 'booking.created' and subject = ${`reservation:${connection.id}:tvl-${made.id}`}
    `.execute(system.db)
    await booked.patch(made.id, { guest: { name: 'Grace Example' } })
    await booked.whenPushed(made.id)
    const details = (await booked.show(made.id)).timeline.map(({ detail }) => detail)
    assert.ok(details.includes('change of guestName') && !details.includes('step 1'))
    assert.ok(details.includes('booking.updated'))
  })

  it('a booking that is changed in TVL holds its nights when it is cancelled until Hostaway has let them go', async () => {
    const made = await booked.book(bookingBody(50))
    const { externalId } = await booked.whenPushed(made.id)
    const path = `/reservations/${externalId}/statuses/cancelled`
    await system.control.injectFault({ kind: 'status', status: 503, path })
    const cancelled = await booked.cancel(made.id)
    assert.equal(cancelled.body.status, 'cancelled')
    assert.equal((await booked.post(bookingBody(50))).body.code, 'UNIT_NOT_AVAILABLE')
    await system.control.clearFaults()
    await booked.whenPushed(made.id)
    assert.equal((await booked.reservationsOf(made.id))[0]?.status, 'cancelled')
    assert.equal((await booked.post(bookingBody(50))).status, 201)

    assert.equal((await booked.cancel(made.id)).body.status, 'cancelled')
    assert.equal(
      (await system.control.calls({ method: 'PUT', path })).filter((call) => call.status === 200).length,
      1,
    )
    assert.equal((await booked.patch(made.id, { note: 'x' })).body.code, 'BOOKING_CANCELLED')
    const { timeline } = await booked.show(made.id)
    const steps = timeline
      .filter(({ step }) => ['accepted', 'pushed'].includes(step))
      .map(({ detail }) => detail)
    assert.deepEqual(steps, [
      'made in TVL',
      `reservation ${externalId} exists at the channel`,
      'cancellation',
      'cancelled',
    ])
  })

  it('a booking that is changed in TVL of a travel agency keeps everything but its note', async () => {
    const { id } = await system.control.book(accountId, {
      listingMapId: 400002,
      channelId: 2018,
      arrivalDate: inDays(10),
      departureDate: inDays(12),
    })
    const own = await booked.bookingOf(id)
    assert.equal(own.push, null)
    assert.equal((await booked.patch(own.id, { checkOut: inDays(13) })).body.code, 'BOOKING_NOT_CHANGEABLE')
    assert.equal((await booked.cancel(own.id)).body.code, 'BOOKING_NOT_CHANGEABLE')
    assert.equal((await booked.patch(own.id, { note: 'key under the mat' })).status, 200)
    const pushed = await booked.whenPushed(own.id)
    assert.equal(pushed.origin, 'channel')
    assert.deepEqual(await changes(id), [{ hostNote: 'key under the mat' }])

    const direct = await system.control.book(accountId, {
      listingMapId: 400002,
      channelId: 2000,
      arrivalDate: inDays(20),
      departureDate: inDays(22),
    })
    const changed = await booked.bookingOf(direct.id)
    assert.equal((await booked.patch(changed.id, { checkOut: inDays(23) })).status, 200)
    await booked.whenPushed(changed.id)
    assert.deepEqual(await changes(direct.id), [{ arrivalDate: inDays(20), departureDate: inDays(23) }])
  })

  it('a booking that is changed in TVL waits while its connection is paused, and one that is not there is not found', async () => {
    const status = (value: 'paused' | 'active' | 'disconnected') =>
      system.db
        .updateTable('hostaway_connections')
        .set({ status: value })
        .where('id', '=', connection.id)
        .execute()
    await status('paused')
    const made = await booked.book(bookingBody(70))
    const pushing = pushDepsOf(system.deps)
    assert.equal(await pushBookings(pushing, connection.id), 'connection_waiting')
    assert.equal((await booked.show(made.id)).push?.status, 'pending')
    const waiting = async () =>
      /^hostaway_booking_pushes_waiting (\d+)$/m.exec((await system.api('GET', '/metrics')).text)?.[1]
    assert.equal(await waiting(), '1')
    await status('disconnected')
    assert.equal(await waiting(), '0')
    await status('active')
    await booked.whenPushed(made.id)
    const unknown = '01890000-0000-7000-8000-000000000000'
    assert.equal((await booked.patch(unknown, { note: 'x' })).status, 404)
    assert.equal((await booked.cancel('no-id')).status, 404)
  })

  it('whose marker Hostaway does not keep is found by guest and nights, and what its webhook had become is replaced', async () => {
    await system.control.setSwitches({ dropsCustomerUserId: true })
    // The webhook comes first, and nothing in it says whose it is.
    await system.control.injectFault({
      kind: 'hang',
      effect: 'after',
      method: 'POST',
      path: '/reservations',
      count: 1,
    })
    const made = await booked.book(bookingBody(90, { unitId: 'hostaway-400003', amount: undefined }))
    const pushed = await booked.whenPushed(made.id)
    await system.control.setSwitches({ dropsCustomerUserId: false })
    const same = (await booked.reservations()).filter(({ arrivalDate }) => arrivalDate === inDays(90))
    assert.equal(same.length, 1)
    assert.equal(pushed.externalId, String(same[0]?.id))
    const rows = await system.db
      .selectFrom('bookings')
      .select(['id', 'status', 'origin'])
      .where('check_in', '=', inDays(90))
      .orderBy('origin')
      .execute()
    assert.deepEqual(
      rows.filter(({ status: state }) => state !== 'cancelled').map(({ id }) => id),
      [made.id],
    )
    assert.equal((await booked.blocks()).filter((block) => block.startsWith(inDays(90))).length, 1)
  })
})
