import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import type { FaultRequest } from '../../../sandbox/fault-injection.ts'
import { startWorkers } from '../../../workers/start-workers.ts'
import { afterAll } from '../../support/after-all.ts'
import { bookedSystem, bookingBody } from '../../support/booked-system.ts'
import { fastTimes, inDays } from '../../support/desired-events.ts'
import { eventually } from '../../support/eventually.ts'
import { whenWebhooksEnded } from '../../support/settled-webhooks.ts'
import { sandboxAccount, startTestSystem, type TestSystem } from '../../support/test-system.ts'

const { accountId } = sandboxAccount
const rounds = Number(process.env.TWO_WAY_ROUNDS ?? 3)
const daysPerRound = 25
const upkeepTimes = { sweepEveryMs: 100, pushOverdueMs: 50 }

const stay = { start: fc.integer({ min: 0, max: 18 }), length: fc.integer({ min: 1, max: 5 }) }
const nth = fc.nat(5)
const operation = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('book' as const), multiUnit: fc.boolean(), ...stay }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('move' as const), nth, ...stay }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('price' as const),
      nth,
      total: fc.integer({ min: 1, max: 999 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel' as const), nth }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('guest' as const), ...stay }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rename' as const), nth }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('hold' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('release' as const),
      order: fc.constantFrom('given' as const, 'reversed' as const, 'shuffled' as const),
      again: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      fault: fc.constantFrom<FaultRequest>(
        { kind: 'status', status: 500, effect: 'after' },
        { kind: 'status', status: 502, effect: 'after' },
        { kind: 'status', status: 503, effect: 'before' },
        { kind: 'status', status: 429, retryAfterSeconds: 1 },
        { kind: 'status', status: 403, effect: 'before' },
        { kind: 'hang', effect: 'before' },
        { kind: 'hang', effect: 'after' },
        { kind: 'drop', effect: 'before' },
        { kind: 'drop', effect: 'after' },
        // Long enough to be given up, so that the effect comes after our time-out; or the webhook before the answer.
        { kind: 'latency', latencyMs: 500 },
        { kind: 'latency', latencyMs: 150, effect: 'after' },
        { kind: 'malformed', malformation: 'truncated' },
      ),
      method: fc.constantFrom('POST', 'POST', 'PUT', 'PUT', 'GET'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
)
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never

describe('whatever is lost, late or twice on the way', () => {
  const context = afterAll()
  let system: TestSystem
  let booked: ReturnType<typeof bookedSystem>

  before(async () => {
    system = await startTestSystem(context, {
      outboundTimes: { ...fastTimes, landingMs: 500 },
      upkeepTimes,
      settings: {
        HOSTAWAY_API_TIMEOUT_MS: '300',
        HOSTAWAY_MAX_RETRIES: '20',
        HOSTAWAY_CIRCUIT_BREAKER_RESET_MS: '200',
      },
    })
    await system.connect()
    booked = bookedSystem(system)
    // A second process' worth of workers on the same queue and database.
    const second = await startWorkers(system.deps)
    context.after(() => second.close())
  })
  type Desired = {
    id: string
    checkIn: string
    checkOut: string
    amount: { total: string; currency: string }
    cancelled: boolean
  }

  async function perform(one: Operation, firstDay: number, made: Desired[]): Promise<void> {
    const from = 'start' in one ? inDays(firstDay + one.start) : ''
    const to = 'start' in one ? inDays(firstDay + one.start + one.length) : ''
    const chosen = 'nth' in one ? made[one.nth % Math.max(1, made.length)] : undefined
    if (one.kind === 'book') {
      // Of several units the second reservation is not refused for want of room.
      const [unitId, currency] = one.multiUnit ? ['hostaway-400003', 'USD'] : ['hostaway-400001', 'EUR']
      const amount = { total: '412.50', currency }
      const answer = await booked.post(bookingBody(0, { unitId, checkIn: from, checkOut: to, amount }))
      assert.ok([201, 409].includes(answer.status), JSON.stringify(answer.body))
      if (answer.status !== 201) return
      made.push({ id: answer.body.id, checkIn: from, checkOut: to, amount, cancelled: false })
    } else if (one.kind === 'move' && chosen !== undefined) {
      const answer = await booked.patch(chosen.id, { checkIn: from, checkOut: to })
      assert.ok([200, 409].includes(answer.status), answer.text)
      if (answer.status === 200) Object.assign(chosen, { checkIn: from, checkOut: to })
    } else if (one.kind === 'price' && chosen !== undefined) {
      const amount = { ...chosen.amount, total: `${one.total}.00` }
      const answer = await booked.patch(chosen.id, { amount })
      assert.ok([200, 409].includes(answer.status), answer.text)
      if (answer.status === 200) Object.assign(chosen, { amount })
    } else if (one.kind === 'cancel' && chosen !== undefined) {
      assert.equal((await booked.cancel(chosen.id)).status, 200)
      chosen.cancelled = true
    } else if (one.kind === 'guest') {
      await system.control
        .book(accountId, { listingMapId: 400001, arrivalDate: from, departureDate: to })
        .catch(() => undefined)
    } else if (one.kind === 'rename' && chosen !== undefined) {
      const [reservation] = await booked.reservationsOf(chosen.id)
      if (reservation?.status === 'cancelled' || reservation === undefined) return
      await system.control.change(accountId, reservation.id, { guestName: 'Ada Renamed' })
    } else if (one.kind === 'hold') await system.control.holdDeliveries(accountId)
    else if (one.kind === 'release') {
      await system.control.releaseDeliveries(accountId, one.order)
      const last = (await system.control.deliveries({ accountId })).at(-1)
      if (one.again && last !== undefined) await system.control.deliverAgain(last.id)
    } else if (one.kind === 'fault') {
      await system.control.injectFault({
        ...one.fault,
        method: one.method,
        path: '/reservations/**',
        count: 1,
      })
      await system.control.injectFault({ ...one.fault, method: one.method, path: '/reservations', count: 1 })
    } else if (one.kind === 'restart') {
      await system.stopWorkers()
      await system.startWorkers()
    }
  }

  async function whenQuiet(): Promise<void> {
    await system.control.releaseDeliveries(accountId, 'shuffled')
    await eventually(
      async () => {
        const waiting = await system.db
          .selectFrom('booking_pushes')
          .selectAll()
          .where('due_at', 'is not', null)
          .where('failed_kind', 'is', null)
          .execute()
        assert.deepEqual(waiting, [])
      },
      { timeoutMs: 40_000 },
    )
    await system.control.clearFaults()
    await system.control.whenDelivered()
    await whenWebhooksEnded(system.db, 30_000)
  }

  async function assertOneReservationEach(made: Desired[]): Promise<void> {
    for (const desired of made) {
      const booking = await booked.show(desired.id)
      const [reservation, ...others] = await booked.reservationsOf(desired.id)
      assert.deepEqual(others, [], `${desired.id} has more than one reservation`)
      if (booking.push?.status === 'failed') {
        // Forbidden twice with a fresh token, or really refused: nothing else is given up.
        assert.match(booking.push.lastError ?? '', /not available|answered 403/)
        continue
      }
      assert.equal(booking.push?.status, 'done')
      assert.equal(booking.status, desired.cancelled ? 'cancelled' : 'confirmed')
      if (reservation === undefined) {
        assert.equal(booking.status, 'cancelled', JSON.stringify(booking))
        assert.equal(booking.externalId, null)
        continue
      }
      assert.equal(booking.externalId, String(reservation.id))
      assert.equal(reservation.status === 'cancelled', desired.cancelled)
      assert.equal(booking.guest.name, reservation.guestName)
      assert.equal(booking.checkIn, reservation.arrivalDate)
      assert.equal(booking.checkOut, reservation.departureDate)
      if (desired.cancelled) continue
      assert.equal(booking.checkIn, desired.checkIn)
      assert.equal(booking.checkOut, desired.checkOut)
      assert.equal(booking.amount.total, desired.amount.total)
      assert.equal(reservation.totalPrice, Number(desired.amount.total))
    }
  }

  // Of failed ones what is desired is blocked beside what Hostaway holds.
  async function assertOneBookingEach(): Promise<void> {
    const bookings = await system.db.selectFrom('bookings').selectAll().execute()
    const reservations = await booked.reservations()
    for (const reservation of reservations) {
      const own = bookings.filter(({ external_id }) => external_id === String(reservation.id))
      assert.equal(own.length, 1, `${own.length} bookings of ${JSON.stringify(reservation)}`)
    }
    const own = bookings.filter(({ origin }) => origin === 'tvl').length
    const guests = reservations.filter(({ customerUserId }) => customerUserId === null).length
    assert.equal(bookings.length, own + guests, 'a webhook of our own made a booking')
    const blocks = await system.db.selectFrom('availability_blocks').selectAll().execute()
    const failed = await system.db
      .selectFrom('booking_pushes')
      .select('booking_id')
      .where('failed_kind', 'is not', null)
      .execute()
    const open = new Set(failed.map(({ booking_id }) => booking_id))
    const shown = (key: string, from: unknown, to: unknown) => `${key}: ${from}…${to}`
    assert.deepEqual(
      blocks
        .filter(({ booking_id }) => booking_id === null || !open.has(booking_id))
        .map((block) => shown(block.external_id, block.first_night, block.departure))
        .toSorted(),
      bookings
        .filter(({ id, status }) => status !== 'cancelled' && !open.has(id))
        .map((booking) => shown(booking.external_id, booking.check_in, booking.check_out))
        .toSorted(),
    )
  }

  it('while Hostaway is away a booking is made, waits, and uses up no attempt', async () => {
    await system.control.injectFault({ kind: 'down' })
    const made = await booked.book(bookingBody(1_050))
    await eventually(async () => {
      const { values } = await system.deps.metrics.breakerState.get()
      assert.equal(values.find(({ labels }) => labels.state === 'open')?.value, 1)
    })
    const { push } = await booked.show(made.id)
    assert.equal(push?.status, 'pending')
    assert.equal(push?.attempts, 0)
    await system.control.clearFaults()
    await booked.whenPushed(made.id, 'done', 30_000)
  })

  it('a booking has one reservation at Hostaway, a reservation one booking here, and both say what was desired last', async () => {
    let round = 0
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 10, maxLength: 22 }), async (operations) => {
        round += 1
        const made: Desired[] = []
        for (const one of operations) await perform(one, (round % 40) * daysPerRound + 2, made)
        await whenQuiet()
        await assertOneReservationEach(made)
        await assertOneBookingEach()
      }),
      { numRuns: rounds, endOnFailure: true },
    )
  })
})
