import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { type FaultEffects, findUselessWrite, notOurs } from '../../chaos/useless-writes.ts'
import type { FaultRequest } from '../../sandbox/fault-injection.ts'
import { startWorkers } from '../../workers/start-workers.ts'
import { afterAll } from '../support/after-all.ts'
import {
  desired,
  fastTimes,
  inDays,
  listingIds,
  whenPushed,
  writeAtHostaway,
} from '../support/desired-events.ts'
import { eventually } from '../support/eventually.ts'
import { whenWebhooksEnded } from '../support/settled-webhooks.ts'
import { sandboxAccount, startTestSystem, type TestSystem } from '../support/test-system.ts'

const { accountId } = sandboxAccount
const firstDay = 20
const upkeepTimes = { sweepEveryMs: 100, pushOverdueMs: 50 }

const nights = fc.record({ start: fc.integer({ min: 0, max: 12 }), length: fc.integer({ min: 0, max: 5 }) })
const listing = fc.integer({ min: 0, max: 1 })
const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('edit' as const),
      listing,
      nights,
      values: fc.oneof(
        fc.record({ units: fc.integer({ min: 0, max: 3 }) }),
        fc.record({ minStay: fc.integer({ min: 1, max: 3 }), closedOnArrival: fc.boolean() }),
        fc.record({ price: fc.integer({ min: 100, max: 103 }) }),
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('book' as const), listing, nights }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel' as const), nth: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('meddle' as const), listing, nights }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      fault: fc.constantFrom<FaultRequest>(
        { kind: 'status', status: 500, effect: 'before' },
        { kind: 'status', status: 503, effect: 'after' },
        { kind: 'status', status: 429, retryAfterSeconds: 1 },
        { kind: 'hang', effect: 'before' },
        { kind: 'hang', effect: 'after' },
        { kind: 'drop', effect: 'after' },
        { kind: 'latency', latencyMs: 500 },
        { kind: 'malformed', malformation: 'truncated' },
      ),
      method: fc.constantFrom('PUT', 'PUT', 'GET'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
)
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never

describe('whatever happens on the way', () => {
  const context = afterAll()
  let system: TestSystem
  let listings: number[]

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
    const ids = await listingIds(system)
    listings = [ids[0] ?? 0, ids[2] ?? 0]
    // A second process' worth of workers on the same queue and database.
    const second = await startWorkers(system.deps)
    context.after(() => second.close())
  })

  async function perform(operation: Operation, faultIds: FaultEffects): Promise<void> {
    if (operation.kind === 'restart') {
      await system.stopWorkers()
      return system.startWorkers()
    }
    if (operation.kind === 'fault') {
      const { fault, method } = operation
      const rule = await system.control.injectFault({ ...fault, method, path: '/listings/**', count: 1 })
      // What is late, or spoilt only in its answer, has its effect.
      faultIds.set(rule.id, fault.kind === 'latency' ? 'after' : rule.effect)
      return
    }
    if (operation.kind === 'cancel') {
      const { reservations } = await system.control.state(accountId)
      const held = reservations.filter(({ status }) => status !== 'cancelled')
      const chosen = held[operation.nth % Math.max(1, held.length)]
      if (chosen !== undefined) await system.control.cancel(accountId, chosen.id)
      return
    }
    const from = inDays(firstDay + operation.nights.start)
    const to = inDays(firstDay + operation.nights.start + operation.nights.length)
    const id = listings[operation.listing] ?? 0
    if (operation.kind === 'meddle') {
      // The next fault is meant for us.
      await system.control.clearFaults()
      await writeAtHostaway(system, id, { startDate: from, endDate: to, price: 99, ...notOurs })
    } else if (operation.kind === 'book') {
      const departureDate = inDays(firstDay + operation.nights.start + operation.nights.length + 1)
      await system.control.book(accountId, {
        listingMapId: id,
        arrivalDate: from,
        departureDate,
        force: true,
      })
    } else await edit(id, operation.listing === 1, { from, to }, operation.values)
  }

  async function edit(
    id: number,
    isMultiUnit: boolean,
    range: { from: string; to: string },
    values: Record<string, unknown>,
  ): Promise<void> {
    const unitId = `hostaway-${id}`
    const { units, price, ...rest } = values
    if (price !== undefined) {
      const currency = isMultiUnit ? 'USD' : 'EUR'
      await desired(system, { type: 'pricing.updated', unitId, currency, ranges: [{ ...range, price }] })
      return
    }
    const availability =
      units === undefined ? {} : isMultiUnit ? { unitsToSell: units } : { available: Number(units) > 0 }
    await desired(system, {
      type: 'availability.updated',
      unitId,
      ranges: [{ ...range, ...availability, ...rest }],
    })
  }

  async function settle(): Promise<void> {
    // First with the faults that are left, then without.
    await whenPushed(system, 40_000)
    await system.control.clearFaults()
    await system.control.whenDelivered()
    await whenWebhooksEnded(system.db, 30_000)
    await whenPushed(system, 40_000)
    await system.db.updateTable('listing_pushes').set({ check_due_at: new Date() }).execute()
    await eventually(async () => {
      const asked = await system.db
        .selectFrom('listing_pushes')
        .select('listing_id')
        .where('check_due_at', 'is not', null)
        .execute()
      assert.deepEqual(asked, [])
    })
    await whenPushed(system, 40_000)
  }

  async function compareWithHostaway(): Promise<void> {
    const days = await system.db.selectFrom('calendar_days').selectAll().execute()
    const range = { from: inDays(firstDay), to: inDays(firstDay + 20) }
    const { listings: held } = await system.control.state(accountId, range)
    for (const desired of days) {
      const found = held.find((entry) => String(entry.listing.id) === desired.listing_id)
      const night = found?.calendar.find(({ date }) => date === desired.day)
      assert.ok(night)
      const about = `${desired.listing_id} on ${desired.day}`
      if (desired.desired_price !== null) assert.equal(night.price, Number(desired.desired_price), about)
      if (desired.desired_min_stay !== null) assert.equal(night.minimumStay, desired.desired_min_stay, about)
      if (desired.desired_closed_on_arrival !== null) {
        assert.equal(night.closedOnArrival, desired.desired_closed_on_arrival ? 1 : 0, about)
      }
      if (desired.desired_units === null || !['available', 'blocked'].includes(night.status)) continue
      if (desired.listing_id === String(listings[1])) {
        assert.equal(night.desiredUnitsToSell ?? 3, desired.desired_units, about)
      } else assert.equal(night.isAvailable, desired.desired_units, about)
    }
  }

  it('Hostaway ends up with what is desired, and no call was made that changed nothing', async () => {
    const faultIds: FaultEffects = new Map()
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 8, maxLength: 20 }), async (operations) => {
        for (const one of operations) await perform(one, faultIds)
        await settle()
        await compareWithHostaway()
        const { reservations } = await system.control.state(accountId)
        const calls = await system.control.calls({ method: 'PUT' })
        assert.equal(findUselessWrite(calls, reservations, faultIds), undefined)
      }),
      { numRuns: 5, endOnFailure: true },
    )
  })
})
