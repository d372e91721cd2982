import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { simulateWindows } from '../../../bench/simulated-windows.ts'
import { createDraw } from '../../../chaos/seeded-draw.ts'
import { callsPerMinute, parseRateLimitProfile } from '../../../src/platform/limiter/rate-limit-profile.ts'

const limit = fc.record({
  limit: fc.integer({ min: 1, max: 40 }),
  milliseconds: fc.integer({ min: 50, max: 10_000 }),
})

it('whatever the limits, processes, delays and restarts, no window holds more calls than it may', () => {
  fc.assert(
    fc.property(
      fc.record({ ip: limit, account: limit }),
      fc.option(fc.constant(callsPerMinute(100, 5)), { nil: undefined }),
      fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 6 }),
      fc.string(),
      (profile, perAccount, callers, processes, seed) => {
        const { fraction: chance } = createDraw(seed)
        const run = { profile, perAccount, callers, processes, acquisitions: 1_000, chance }
        assert.equal(simulateWindows(run).exceeded, 0)
      },
    ),
    { numRuns: 25 },
  )
})

it('accounts that wait for the same window are served evenly, however often each asks', () => {
  const { callsOf } = simulateWindows({
    profile: parseRateLimitProfile('2025'),
    callers: [30, 1, 1, 1, 1, 1],
    processes: 3,
    urgencies: ['normal'],
    acquisitions: 3_000,
    chance: createDraw('turns').fraction,
  })
  const [greedy = 0, ...others] = callsOf
  // Without turns it would get thirty times as many. The others do not ask all the time.
  assert.ok(greedy < 2 * Math.min(...others), callsOf.join())
})

it('accounts that always have something urgent do not stop one that has nothing urgent', () => {
  const { callsOf } = simulateWindows({
    profile: parseRateLimitProfile('2025'),
    callers: [8, 8, 8, 1],
    processes: 3,
    urgencies: (account) => [account === 3 ? 'normal' : 'urgent'],
    acquisitions: 3_000,
    chance: createDraw('urgent').fraction,
  })
  const patient = callsOf[3] ?? 0
  assert.ok(patient > Math.min(...callsOf.slice(0, 3)) / 8, callsOf.join())
})
