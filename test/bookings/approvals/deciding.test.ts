import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { QueuedView } from '../../../src/bookings/approvals/queued-view.ts'
import { assertProblem } from '../../support/assert-problem.ts'
import { startObserved } from '../../support/observed-inbound.ts'
import { type Fields, newReservation, versionAt } from '../../support/reservation-bodies.ts'

const { system, connection, ...inbound } = await startObserved(
  { after },
  { connection: { autoImport: false } },
)
const { body: manager } = await system.api<{ token: string }>('POST', '/v1/tokens', {
  tenant: connection.tenant,
  role: 'manager',
  name: 'Grace at the desk',
})

let year = 2030

/** A reservation that waits, on nights of its own. */
async function waiting(fields: Fields = {}) {
  year += 1
  const body = newReservation({
    arrivalDate: `${year}-05-03`,
    departureDate: `${year}-05-07`,
    updatedOn: versionAt(0),
    ...fields,
  })
  const webhook = await inbound.send(body)
  assert.equal(webhook.status, 'queued')
  const row = await inbound.queued(body.id)
  assert.ok(row)
  return { body, id: row.id, webhookId: webhook.id, nights: `${year}-05-03…${year}-05-07` }
}

const decide = (id: string, what: 'import' | 'reject', order?: unknown) =>
  system.api<QueuedView>('POST', `/v1/booking-queue/${id}/${what}`, order, manager.token)

const imported = async (id: string, order?: unknown) => {
  const answer = await decide(id, 'import', order)
  assert.equal(answer.status, 200, answer.text)
  return answer.body
}

async function webhook(id: string) {
  const { body } = await system.api<{ status: string; outcome: string }>('GET', `/v1/webhooks/${id}`)
  return [body.status, body.outcome]
}

describe('importing', () => {
  it('books a complete reservation once, however often it is requested, and records who and when', async () => {
    const { body, id, nights, webhookId } = await waiting()
    const answers = await Promise.all([imported(id), imported(id), imported(id)])
    const [first] = answers
    for (const answer of [...answers, await imported(id, {})]) assert.deepEqual(answer, first)
    const booking = await inbound.booking(body.id)
    assert.deepEqual([first?.status, first?.bookingId], ['imported', booking.id])
    assert.deepEqual([first?.decidedBy, first?.rejectionReason], ['Grace at the desk', null])
    assert.deepEqual(
      [booking.status, booking.unitId, booking.amount.minor],
      ['confirmed', 'hostaway-400001', 41_250],
    )
    assert.equal(await inbound.nights(body.id), nights)
    assert.equal((await inbound.block(body.id))?.booking_id, booking.id)
    assert.deepEqual(await inbound.eventTypes(body.id), ['availability.blocked', 'booking.created'])
    assert.deepEqual(await webhook(webhookId), ['processed', 'created'])
    const { body: shown } = await system.api<{ timeline: Fields[] }>('GET', `/v1/bookings/${booking.id}`)
    const approved = shown.timeline.filter(({ step }) => step === 'approved')
    assert.deepEqual(approved, [
      { at: first?.decidedAt, step: 'approved', detail: 'imported by Grace at the desk', id },
    ])
  })

  it('importing an incomplete reservation names everything that is missing and how to give it, and writes nothing', async () => {
    const { body, id } = await waiting({
      listingMapId: 499_001,
      status: 'bewitched',
      departureDate: '2027-02-30',
      totalPrice: 'much',
    })
    const before = await inbound.queued(body.id)
    const { errors = [] } = assertProblem(await decide(id, 'import'), 422, 'RESERVATION_INCOMPLETE')
    assert.deepEqual(
      errors.map(({ field, message }) => [field, message.slice(message.lastIndexOf(': ') + 2)]).toSorted(),
      [
        ['departureDate', 'send `fields.checkOut`'],
        ['listingMapId', 'send `unitId`, or map the listing to a unit'],
        ['status', 'send `fields.status`'],
        ['totalPrice', 'send `fields.amountTotal`'],
      ],
    )
    const some = await decide(id, 'import', { unitId: 'villa-1', fields: { status: 'confirmed' } })
    assert.deepEqual(
      assertProblem(some, 422, 'RESERVATION_INCOMPLETE')
        .errors?.map(({ field }) => field)
        .toSorted(),
      ['departureDate', 'totalPrice'],
    )
    assert.deepEqual(await inbound.queued(body.id), before)

    const row = await imported(id, {
      unitId: 'villa-1',
      fields: {
        status: 'confirmed',
        departureDate: `${year}-05-06`,
        amountTotal: '99.999',
        guestsTotal: 4,
        client_name: 'A. Example',
      },
    })
    const booking = await inbound.booking(body.id)
    assert.partialDeepStrictEqual(booking, {
      unitId: 'villa-1',
      listingId: '499001',
      status: 'confirmed',
      sourceStatus: 'bewitched',
      checkOut: `${year}-05-06`,
      amount: { total: '100.00', minor: 10_000, currency: 'EUR' },
      guests: { total: 4, adults: 2 },
      fields: { client_name: 'A. Example' },
    })
    assert.deepEqual(row.problems, [])
    assert.deepEqual(row.overrides, {
      unitId: 'villa-1',
      fields: {
        status: 'confirmed',
        checkOut: `${year}-05-06`,
        amountTotal: '99.999',
        guestsTotal: 4,
        client_name: 'A. Example',
      },
    })
    assert.equal((await inbound.block(body.id))?.unit_id, 'villa-1')
  })

  it('importing refuses values and names that mean nothing, each by its name', async () => {
    const { id } = await waiting()
    for (const [fields, wrong] of [
      [
        { checkIn: '2031-02-30', checkin: '2031-02-03', constructor: 'x' },
        ['fields.checkIn', 'fields.checkin', 'fields.constructor'],
      ],
      [{ checkOut: '2031-02-03', departureDate: '2031-02-04' }, ['fields.departureDate']],
      [
        { guestsTotal: -1, currency: 'euro', status: 'cancelled' },
        ['fields.currency', 'fields.guestsTotal', 'fields.status'],
      ],
    ] as const) {
      const answer = await decide(id, 'import', { fields })
      const { errors = [] } = assertProblem(answer, 422, 'VALIDATION_FAILED')
      assert.deepEqual(errors.map(({ field }) => field).toSorted(), wrong, answer.text)
    }
    assertProblem(await decide(id, 'import', { unit: 'villa-1' }), 422, 'VALIDATION_FAILED')
    assertProblem(await decide('0', 'import'), 404, 'NOT_FOUND')
  })

  it('what a person said outlives newer versions until Hostaway says something new of the same', async () => {
    const { body, id, nights } = await waiting({ departureDate: null, guestName: 'Ada E.' })
    await imported(id, {
      unitId: 'villa-2',
      fields: { checkOut: `${year}-05-07`, guestName: 'Ines Ferreira', client_name: 'Ada' },
    })
    await inbound.send({ ...body, totalPrice: 500, updatedOn: versionAt(1) })
    const kept = await inbound.booking(body.id)
    assert.deepEqual(
      [kept.guest.name, kept.checkOut, kept.unitId, kept.amount.minor, kept.fields],
      ['Ines Ferreira', `${year}-05-07`, 'villa-2', 50_000, { client_name: 'Ada' }],
    )
    assert.equal(await inbound.nights(body.id), nights)

    await inbound.send({ ...body, departureDate: `${year}-05-09`, guestName: 'Bob', updatedOn: versionAt(2) })
    const moved = await inbound.booking(body.id)
    assert.deepEqual([moved.guest.name, moved.checkOut, moved.unitId], ['Bob', `${year}-05-09`, 'villa-2'])
    assert.equal(await inbound.nights(body.id), `${year}-05-03…${year}-05-09`)
    const { body: row } = await system.api<QueuedView>('GET', `/v1/booking-queue/${id}`)
    assert.deepEqual(row.overrides, { unitId: 'villa-2', fields: { client_name: 'Ada' } })

    const departureDate = `${year}-05-09`
    await inbound.send({ ...body, departureDate, listingMapId: 400002, updatedOn: versionAt(3) })
    assert.equal((await inbound.booking(body.id)).unitId, 'hostaway-400002')
  })

  it('again corrects a booking, and null takes back what was said', async () => {
    const { body, id } = await waiting()
    const first = await imported(id, { fields: { guestName: 'Wrong', client_name: 'Wrong' } })
    const second = await imported(id, { fields: { guestName: null, client_name: 'Right' } })
    assert.equal(second.bookingId, first.bookingId)
    const booking = await inbound.booking(body.id)
    assert.deepEqual([booking.guest.name, booking.fields], ['Ines Ferreira', { client_name: 'Right' }])
    assert.deepEqual(await inbound.eventTypes(body.id), [
      'availability.blocked',
      'booking.created',
      'booking.updated',
    ])
  })

  it('a status that Hostaway knows wins over a person’s, so that a cancellation cancels', async () => {
    const { body, id } = await waiting({ status: 'bewitched' })
    await imported(id, { fields: { status: 'confirmed' } })
    await inbound.send({ ...body, status: 'cancelled', updatedOn: versionAt(1) })
    assert.equal((await inbound.booking(body.id)).status, 'cancelled')
    assert.equal(await inbound.nights(body.id), undefined)
  })

  it('into a unit that is taken on these nights is a conflict that is seen', async () => {
    const taken = await waiting()
    await imported(taken.id, { unitId: 'villa-3' })
    const second = newReservation({
      listingMapId: 400002,
      arrivalDate: `${year}-05-04`,
      departureDate: `${year}-05-05`,
      updatedOn: versionAt(0),
    })
    await inbound.send(second)
    const row = await inbound.queued(second.id)
    assert.ok(row)
    await imported(row.id, { unitId: 'villa-3' })
    const [conflict] = (await inbound.events(second.id)).filter(({ type }) => type === 'booking.conflict')
    assert.deepEqual(conflict?.data.with, [String(taken.body.id)])
  })
})

describe('rejecting', () => {
  it('rejecting keeps the reason and the nights, whatever newer versions say, until Hostaway cancels', async () => {
    const { body, id, nights, webhookId } = await waiting()
    const answers = [
      await decide(id, 'reject', { reason: 'The roof' }),
      await decide(id, 'reject', { reason: 'The roof' }),
    ]
    for (const { status, body: row } of answers) {
      assert.equal(status, 200)
      assert.deepEqual(
        [row.status, row.rejectionReason, row.decidedBy],
        ['rejected', 'The roof', 'Grace at the desk'],
      )
      assert.equal(row.decidedAt, answers[0]?.body.decidedAt)
    }
    assert.deepEqual(await webhook(webhookId), ['processed', 'rejected'])
    assert.equal(await inbound.nights(body.id), nights)
    const newer = await inbound.send({ ...body, totalPrice: 500, updatedOn: versionAt(1) })
    assert.deepEqual([newer.status, newer.outcome], ['processed', 'rejected'])
    assert.deepEqual(await inbound.bookings(body.id), [])
    assert.equal(await inbound.nights(body.id), nights)

    await inbound.send({ ...body, status: 'cancelled', updatedOn: versionAt(2) })
    const { body: row } = await system.api<QueuedView>('GET', `/v1/booking-queue/${id}`)
    assert.deepEqual([row.status, row.rejectionReason], ['withdrawn', 'The roof'])
    assert.equal(await inbound.nights(body.id), undefined)
    for (const what of ['import', 'reject'] as const) {
      const order = what === 'import' ? {} : { reason: 'Late' }
      assertProblem(await decide(id, what, order), 409, 'RESERVATION_WITHDRAWN')
    }
    await inbound.send({ ...body, status: 'new', updatedOn: versionAt(3) })
    const { body: back } = await system.api<QueuedView>('GET', `/v1/booking-queue/${id}`)
    assert.deepEqual([back.status, back.rejectionReason, back.decidedBy], ['mapped', null, null])
  })

  it('a rejected reservation can still be imported; a booking cannot be rejected', async () => {
    const { body, id } = await waiting()
    await decide(id, 'reject', { reason: 'By mistake' })
    const row = await imported(id)
    assert.deepEqual([row.status, row.rejectionReason], ['imported', null])
    assert.equal((await inbound.booking(body.id)).id, row.bookingId)
    assertProblem(await decide(id, 'reject', { reason: 'No' }), 409, 'ALREADY_IMPORTED')
    assertProblem(await decide(id, 'reject', {}), 422, 'VALIDATION_FAILED')
  })

  it('a cancellation of what waits ends the webhooks before it', async () => {
    const { body, webhookId } = await waiting()
    await inbound.send({ ...body, status: 'cancelled', updatedOn: versionAt(1) })
    assert.deepEqual(await webhook(webhookId), ['processed', 'superseded'])
  })
})
