import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type FailureKind, failureKinds } from '../../../src/platform/errors.ts'
import { backoffMs, decide } from '../../../src/platform/work/decide.ts'

const kinds = Object.keys(failureKinds) as FailureKind[]
const anyKind = fc.constantFrom(...kinds)
const anyRandom = fc.double({ min: 0, max: 0.999999, noNaN: true })
const anyAttempt = fc.record({
  attempts: fc.integer({ min: 0, max: 60 }),
  isOutage: fc.boolean(),
  isHeldUp: fc.boolean(),
})
const anyPolicy = fc.record({
  maxAttempts: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constant(Number.POSITIVE_INFINITY)),
  baseMs: fc.integer({ min: 1, max: 5_000 }),
  maxDelayMs: fc.integer({ min: 1, max: 900_000 }),
  deferJitterMs: fc.integer({ min: 0, max: 500 }),
})

function decideAny(
  check: (failure: {
    kind: FailureKind
    attempt: { attempts: number; isOutage: boolean; isHeldUp: boolean }
    policy: { maxAttempts: number; baseMs: number; maxDelayMs: number; deferJitterMs: number }
    random: number
  }) => void,
): void {
  fc.assert(
    fc.property(anyKind, anyAttempt, anyPolicy, anyRandom, (kind, attempt, policy, random) =>
      check({ kind, attempt, policy, random }),
    ),
    { numRuns: 500 },
  )
}

const decisionOf = (
  { kind, attempt, policy, random }: Parameters<Parameters<typeof decideAny>[0]>[0],
  retryAt?: Date,
) => decide({ kind, retryAt }, attempt, policy, () => random)

describe('after a failure', () => {
  it('what is held up, by its kind or by its connection, waits and uses up no attempt', () => {
    decideAny((any) => {
      const isDeferred = failureKinds[any.kind].outcome === 'defer' || any.attempt.isHeldUp
      assert.equal(decisionOf(any).outcome === 'defer', isDeferred)
    })
  })

  it('what is deferred resumes at the given moment or shortly after, and never in the past', () => {
    decideAny((any) => {
      for (const retryAt of [new Date(0), new Date(Date.now() + 60_000), undefined]) {
        const before = Date.now()
        const decision = decisionOf({ ...any, attempt: { ...any.attempt, isHeldUp: true } }, retryAt)
        assert.ok(decision.outcome === 'defer')
        const earliest = retryAt === undefined ? before + 5_000 : Math.max(before, retryAt.getTime())
        const waitMs = decision.until.getTime() - earliest
        assert.ok(waitMs >= 0 && waitMs <= any.policy.deferJitterMs + 1_000, `${waitMs} ms`)
      }
    })
  })

  it('what no attempt would mend, and what was tried often enough, is a dead letter', () => {
    decideAny((any) => {
      const { attempts, isOutage } = any.attempt
      const { outcome } = failureKinds[any.kind]
      const isHeldUp = outcome === 'defer' || any.attempt.isHeldUp
      const isUsedUp = outcome === 'retry' && !isOutage && attempts + 1 >= any.policy.maxAttempts
      const isFinal = !isHeldUp && (outcome === 'deadLetter' || isUsedUp)
      assert.equal(decisionOf(any).outcome === 'deadLetter', isFinal)
    })
  })

  it('another attempt waits no longer than its step and the cap, and an outage uses up none', () => {
    decideAny((any) => {
      const decision = decisionOf(any)
      if (decision.outcome !== 'retry') return
      const { attempts, isOutage } = any.attempt
      const { baseMs, maxDelayMs } = any.policy
      const step = Math.min(maxDelayMs, baseMs * 2 ** (isOutage ? 2 : attempts))
      assert.ok(decision.afterMs >= 0 && decision.afterMs <= Math.round(step))
      assert.equal(decision.usesAttempt, !isOutage)
    })
  })
})

it('a pause before the next attempt is anything up to the exponential step, and never beyond the cap', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 5_000 }),
      anyRandom,
      (attempt, baseMs, random) => {
        const policy = { baseMs, maxDelayMs: 32_000 }
        const step = Math.min(32_000, baseMs * 2 ** (attempt - 1))
        const pauseMs = backoffMs(attempt, policy, () => random)
        assert.ok(Number.isInteger(pauseMs) && pauseMs >= 0 && pauseMs <= step)
        assert.equal(
          backoffMs(attempt, policy, () => 0),
          0,
        )
        assert.equal(
          backoffMs(attempt, policy, () => 1),
          Math.round(step),
        )
      },
    ),
  )
})
