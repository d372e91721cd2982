import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  desired,
  fastTimes,
  inDays,
  listingIds,
  nightAt,
  whenPushed,
  writesAt,
} from '../support/desired-events.ts'
import { eventually } from '../support/eventually.ts'
import { startTestSystem } from '../support/test-system.ts'

const resetMs = 400

it('while Hostaway is down a handful of probes reach it and no attempt is used up; then everything converges, availability first', async (t) => {
  const system = await startTestSystem(t, {
    outboundTimes: { ...fastTimes, parallel: 1 },
    upkeepTimes: { sweepEveryMs: 100, pushOverdueMs: 50 },
    settings: {
      HOSTAWAY_API_TIMEOUT_MS: '300',
      HOSTAWAY_CIRCUIT_BREAKER_RESET_MS: String(resetMs),
    },
  })
  await system.connect()
  const [loft = 0, canal = 0, , , , cabin = 0] = await listingIds(system)
  const day = inDays(15)
  const close = (listing: number) => ({
    type: 'availability.updated',
    unitId: `hostaway-${listing}`,
    ranges: [{ from: day, to: day, available: false }],
  })
  await desired(system, close(loft))
  await whenPushed(system)

  await system.control.injectFault({ kind: 'down' })
  await desired(system, { ...close(loft), ranges: [{ from: day, to: day, available: true }] })
  const isOpen = async () => {
    const { values } = await system.deps.metrics.breakerState.get()
    assert.equal(values.find(({ labels }) => labels.state === 'open')?.value, 1)
  }
  await eventually(isOpen)
  const attempts = () =>
    system.db
      .selectFrom('listing_pushes')
      .select((eb) => eb.fn.sum<string>('attempts').as('sum'))
      .executeTakeFirstOrThrow()
  await system.control.clearCalls()

  // As long as five of its rests: a price first, then what is more urgent.
  await desired(system, {
    type: 'pricing.updated',
    unitId: `hostaway-${canal}`,
    currency: 'EUR',
    ranges: [{ from: day, to: day, price: 111 }],
  })
  await desired(system, close(cabin))
  const outageEnds = Date.now() + 5 * resetMs
  await eventually(() => assert.ok(Date.now() >= outageEnds))
  const probes = (await system.control.calls()).length
  assert.ok(probes <= 6, `${probes} calls reached Hostaway`)
  assert.equal(Number((await attempts()).sum), 0)
  assert.deepEqual(await system.db.selectFrom('dead_letter_queue').select('message').execute(), [])

  await system.control.clearCalls()
  await system.control.clearFaults()
  await whenPushed(system)
  const written = (await writesAt(system)).map(({ path }) => path)
  assert.equal(written.at(-1), `/listings/${canal}/calendar`)
  assert.equal((await nightAt(system, loft, day)).isAvailable, 1)
  assert.equal((await nightAt(system, cabin, day)).isAvailable, 0)
  assert.equal((await nightAt(system, canal, day)).price, 111)
})
