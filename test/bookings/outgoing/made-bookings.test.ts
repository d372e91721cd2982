import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { afterAll } from '../../support/after-all.ts'
import { bookedSystem, bookingBody } from '../../support/booked-system.ts'
import { desired, fastTimes, inDays } from '../../support/desired-events.ts'
import { eventually } from '../../support/eventually.ts'
import { whenWebhooksEnded } from '../../support/settled-webhooks.ts'
import { sandboxAccount, startTestSystem } from '../../support/test-system.ts'

const { accountId } = sandboxAccount

describe('a booking made in TVL', async () => {
  const context = afterAll()
  const system = await startTestSystem(context, {
    outboundTimes: fastTimes,
    upkeepTimes: { sweepEveryMs: 100, pushOverdueMs: 50 },
  })
  // Without autoImport: a booking made in TVL needs no approval all the same.
  await system.connect({ autoImport: false })
  const booked = bookedSystem(system)

  it('a booking made in TVL is stored with its nights, created at Hostaway, and completed by what Hostaway says', async () => {
    const made = await booked.book(bookingBody(10))
    assert.equal(made.externalId, null)
    assert.equal(made.origin, 'tvl')
    assert.equal(made.status, 'confirmed')
    assert.equal(made.push?.status, 'pending')
    assert.deepEqual(made.guests, { total: 3, adults: 2, children: 1, infants: null, pets: null })
    assert.deepEqual(made.amount, { total: '412.50', minor: 41_250, currency: 'EUR' })
    assert.ok((await booked.blocks()).includes(`${inDays(10)}…${inDays(13)}`))

    const pushed = await booked.whenPushed(made.id)
    const [reservation, ...others] = await booked.reservationsOf(made.id)
    assert.ok(reservation)
    assert.deepEqual(others, [])
    assert.equal(pushed.externalId, String(reservation.id))
    assert.equal(pushed.channelName, 'direct')
    assert.equal(pushed.sourceStatus, 'new')
    assert.equal(pushed.guest.name, 'Ada Example')
    const { arrivalDate, departureDate, guestName, guestEmail, phone, numberOfGuests, totalPrice, hostNote } =
      reservation
    assert.deepEqual(
      { arrivalDate, departureDate, guestName, guestEmail, phone, numberOfGuests, totalPrice, hostNote },
      {
        arrivalDate: inDays(10),
        departureDate: inDays(13),
        guestName: 'Ada Example',
        guestEmail: 'ada@example.com',
        phone: '+49 30 000000',
        numberOfGuests: 3,
        totalPrice: 412.5,
        hostNote: 'arrives late',
      },
    )
    await system.control.whenDelivered()
    await eventually(async () => {
      const { timeline } = await booked.show(made.id)
      const steps = timeline.map(({ step, detail }) => `${step}: ${detail}`)
      assert.deepEqual(
        ['accepted: made in TVL', 'stored: booking created', 'published: booking.created'].filter(
          (step) => !steps.includes(step),
        ),
        [],
      )
      assert.ok(
        steps.some((step) => step.startsWith('pushed: reservation ')),
        steps.join('\n'),
      )
      assert.ok(
        steps.some((step) => step.startsWith('processed: ')),
        steps.join('\n'),
      )
    })
    const { rows } = await listBookings()
    assert.equal(rows.filter(({ checkIn }) => checkIn === inDays(10)).length, 1)
    assert.equal((await system.api('GET', `/v1/bookings?externalId=${reservation.id}`)).status, 200)
    const { data } = (await system.api<{ data: unknown[] }>('GET', '/v1/booking-queue')).body
    assert.deepEqual(data, [])
  })

  async function listBookings() {
    const { body } = await system.api<{ data: Array<{ id: string; checkIn: string }> }>('GET', '/v1/bookings')
    return { rows: body.data }
  }

  it('a booking made in TVL is completed by its webhook or by the answer, whichever comes first, and by each only once', async () => {
    const path = '/reservations'
    await system.control.injectFault({
      kind: 'latency',
      effect: 'after',
      latencyMs: 1_000,
      method: 'POST',
      path,
      count: 1,
    })
    const early = await booked.book(bookingBody(14))
    await eventually(async () => {
      const { externalId, push } = await booked.show(early.id)
      assert.notEqual(externalId, null)
      assert.equal(push?.status, 'pending', 'the answer is still on its way')
    })
    await system.control.holdDeliveries(accountId)
    const late = await booked.book(bookingBody(17))
    await booked.whenPushed(late.id)
    await system.control.releaseDeliveries(accountId, 'reversed')
    const deliveries = await system.control.deliveries({ accountId, event: 'reservation.created' })
    for (const { id } of deliveries.slice(-2)) await system.control.deliverAgain(id, 3)
    await system.control.whenDelivered()
    await booked.whenPushed(early.id)
    await whenWebhooksEnded(system.db)
    for (const made of [early, late]) {
      assert.equal((await booked.reservationsOf(made.id)).length, 1)
      const subject = `reservation:${made.connectionId}:tvl-${made.id}`
      const events = await system.db
        .selectFrom('event_outbox')
        .select('type')
        .where('subject', '=', subject)
        .orderBy('id')
        .execute()
      assert.deepEqual(
        events.map(({ type }) => type),
        ['booking.created', 'availability.blocked', 'booking.updated'],
      )
    }
    assert.equal((await listBookings()).rows.filter(({ checkIn }) => checkIn === inDays(14)).length, 1)
    assert.equal((await listBookings()).rows.filter(({ checkIn }) => checkIn === inDays(17)).length, 1)
  })

  it('a booking made in TVL is made once per Idempotency-Key', async () => {
    const body = bookingBody(20)
    const headers = { 'idempotency-key': 'booking-20' }
    const answers = await Promise.all([booked.post(body, headers), booked.post(body, headers)])
    assert.deepEqual(
      answers.map(({ status }) => status),
      [201, 201],
    )
    const ids = new Set(answers.map((answer) => answer.body.id))
    assert.equal(ids.size, 1)
    const other = await booked.post(bookingBody(21), headers)
    assert.equal(other.body.code, 'IDEMPOTENCY_KEY_REUSED')
  })

  it('a booking made in TVL is refused with everything that is wrong with it at once', async () => {
    const { status, body } = await booked.post({
      unitId: 'nowhere',
      checkIn: '2027-02-30',
      guest: { email: 'nobody' },
      guests: { adults: -1 },
      amount: { total: '-1', currency: 'euro' },
      status: 'pending',
      colour: 'blue',
    })
    assert.equal(status, 422)
    assert.equal(body.code, 'VALIDATION_FAILED')
    assert.deepEqual(body.errors?.map(({ field }) => field).toSorted(), [
      'amount.currency',
      'amount.total',
      'checkIn',
      'checkOut',
      'colour',
      'guest.email',
      'guest.name',
      'guests.adults',
      'status',
      'unitId',
    ])
    const nowhere = await booked.post(bookingBody(-3, { unitId: 'nowhere', checkOut: inDays(-5) }))
    assert.deepEqual(nowhere.body.errors?.map(({ field }) => field).toSorted(), [
      'checkIn',
      'checkOut',
      'checkOut',
      'unitId',
    ])
    const wrong = await booked.post(
      bookingBody(-3, { checkOut: inDays(-5), amount: { total: '1.234', currency: 'EUR' } }),
    )
    assert.deepEqual(wrong.body.errors?.map(({ field }) => field).toSorted(), [
      'amount.total',
      'checkIn',
      'checkOut',
      'checkOut',
    ])
    const dollars = await booked.post(bookingBody(30, { amount: { total: 1, currency: 'USD' } }))
    assert.deepEqual(dollars.body.errors, [
      { field: 'amount.currency', message: "the listing's currency is EUR" },
    ])
  })

  it('a booking made in TVL is refused on nights that are held or closed, and of two at once one is made', async () => {
    await system.control.book(accountId, {
      listingMapId: 400001,
      arrivalDate: inDays(40),
      departureDate: inDays(42),
    })
    await eventually(async () => assert.ok((await booked.blocks()).includes(`${inDays(40)}…${inDays(42)}`)))
    const held = await booked.post(bookingBody(39))
    assert.equal(held.status, 409)
    assert.equal(held.body.code, 'UNIT_NOT_AVAILABLE')
    assert.match(held.body.detail, new RegExp(`${inDays(40)} \\(booked\\)`))
    // The day of departure is free again.
    assert.equal((await booked.post(bookingBody(42))).status, 201)

    await desired(system, {
      type: 'availability.updated',
      unitId: 'hostaway-400001',
      ranges: [{ from: inDays(51), to: inDays(51), available: false }],
    })
    const closed = await booked.post(bookingBody(50))
    assert.match(closed.body.detail, new RegExp(`${inDays(51)} \\(closed\\)`))

    const both = await Promise.all([booked.post(bookingBody(60)), booked.post(bookingBody(61))])
    assert.deepEqual(both.map(({ status }) => status).toSorted(), [201, 409])
  })

  it('a booking made in TVL that Hostaway refuses stays with its nights, as failed, until a person decides', async () => {
    await system.control.book(accountId, {
      listingMapId: 400001,
      arrivalDate: inDays(70),
      departureDate: inDays(72),
      silent: true,
    })
    const made = await booked.book(bookingBody(70))
    const failed = await booked.whenPushed(made.id, 'failed')
    assert.match(failed.push?.lastError ?? '', /not available/)
    assert.ok((await booked.blocks()).includes(`${inDays(70)}…${inDays(73)}`))
    const letters = await openLetters()
    assert.deepEqual(
      letters.map(({ kind, subject, job }) => ({ kind, subject, job })),
      [{ kind: 'rejected', subject: `booking:${made.id}`, job: 'push-booking' }],
    )

    // Other nights, and the booking is pushed again.
    const moved = await booked.patch(made.id, { checkIn: inDays(74), checkOut: inDays(76) })
    assert.equal(moved.status, 200, moved.text)
    const pushed = await booked.whenPushed(made.id)
    assert.equal(pushed.checkIn, inDays(74))
    const [reservation] = await booked.reservationsOf(made.id)
    assert.equal(reservation?.arrivalDate, inDays(74))
    assert.deepEqual(await openLetters(), [])
  })

  async function openLetters() {
    const { body } = await system.api<{
      data: Array<{ kind: string; subject: string; job: string; id: string }>
    }>('GET', '/v1/dead-letters?status=open')
    return body.data
  }

  it('a booking made in TVL that was refused is tried again by a replay, and gives its nights back when it is cancelled', async () => {
    const taken = await system.control.book(accountId, {
      listingMapId: 400001,
      arrivalDate: inDays(80),
      departureDate: inDays(82),
      silent: true,
    })
    const replayed = await booked.book(bookingBody(80))
    await booked.whenPushed(replayed.id, 'failed')
    await system.control.remove(accountId, taken.id)
    const [letter] = await openLetters()
    assert.ok(letter)
    assert.equal((await system.api('POST', `/v1/dead-letters/${letter.id}/replay`)).status, 202)
    await booked.whenPushed(replayed.id)

    await system.control.book(accountId, {
      listingMapId: 400001,
      arrivalDate: inDays(90),
      departureDate: inDays(92),
      silent: true,
    })
    const given = await booked.book(bookingBody(90))
    await booked.whenPushed(given.id, 'failed')
    const cancelled = await booked.cancel(given.id)
    assert.equal(cancelled.body.status, 'cancelled')
    await booked.whenPushed(given.id)
    assert.ok(!(await booked.blocks()).includes(`${inDays(90)}…${inDays(93)}`))
    assert.deepEqual(await booked.reservationsOf(given.id), [])
    assert.deepEqual(await openLetters(), [])
  })
})
