import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  type BreakerOptions,
  breakerStateGauge,
  createBreaker,
} from '../../../src/channels/hostaway/breaker.ts'
import { AppError, type FailureKind } from '../../../src/platform/errors.ts'
import { type BreakerState, createMetrics } from '../../../src/platform/telemetry/metrics.ts'
import { eventually } from '../../support/eventually.ts'

function openBreaker(context: TestContext, changes: Partial<BreakerOptions> = {}) {
  const states: BreakerState[] = []
  const breaker = createBreaker({
    enabled: true,
    threshold: 10,
    windowMs: 120_000,
    resetMs: 40,
    onState: (state) => states.push(state),
    ...changes,
  })
  context.after(breaker.close)
  const succeed = () => breaker.run(async () => 'ok')
  const fail = async (kind: FailureKind = 'hostaway_unavailable') => {
    const failure = await breaker
      .run(() => Promise.reject(new AppError(kind, 'scripted')))
      .catch((error) => error)
    assert.ok(failure instanceof AppError)
    return failure.kind
  }
  const failTimes = async (times: number, kind?: FailureKind) => {
    for (let index = 0; index < times; index += 1) await fail(kind)
  }
  const open = async () => {
    await failTimes(10)
    assert.equal(breaker.state(), 'open')
  }
  const untilHalfOpen = () => eventually(() => assert.equal(breaker.state(), 'half_open'), { intervalMs: 2 })
  return { breaker, states, succeed, fail, failTimes, open, untilHalfOpen }
}

/** A call whose end the test decides. */
function pendingCall() {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  return { call: () => promise, succeed: () => resolve('late'), fail: (error: AppError) => reject(error) }
}

test('nine failures in a row leave it closed, the tenth opens it', async (context) => {
  const { breaker, failTimes, fail } = openBreaker(context)
  await failTimes(9)
  assert.equal(breaker.state(), 'closed')
  await fail()
  assert.equal(breaker.state(), 'open')
})

test('half of the calls failing leaves it closed, more than half opens it', async (context) => {
  const { breaker, succeed, failTimes, fail } = openBreaker(context)
  for (let index = 0; index < 10; index += 1) await succeed()
  await failTimes(10)
  assert.equal(breaker.state(), 'closed')
  await fail()
  assert.equal(breaker.state(), 'open')
})

test('while it is open nothing is called and the refusal says when to come back', async (context) => {
  const { breaker, open } = openBreaker(context, { resetMs: 60_000 })
  await open()
  let calls = 0
  const refusal = await breaker.run(async () => ++calls).catch((error) => error)
  assert.ok(refusal instanceof AppError)
  assert.equal(refusal.kind, 'breaker_open')
  const wait = (refusal.retryAt?.getTime() ?? 0) - Date.now()
  assert.ok(wait > 58_000 && wait <= 60_000, `${wait} ms`)
  assert.equal(calls, 0)
})

test('failures that prove the host is up never open it', async (context) => {
  const { breaker, failTimes } = openBreaker(context)
  const kinds = [
    ...(['rate_limited', 'rejected', 'conflict', 'business_rule'] as const),
    ...(['forbidden', 'not_found', 'credentials_rejected'] as const),
  ]
  for (const kind of kinds) await failTimes(12, kind)
  assert.equal(breaker.state(), 'closed')
})

for (const kind of ['network', 'timeout', 'hostaway_unavailable', 'malformed_response'] as const) {
  test(`ten times ${kind} opens it`, async (context) => {
    const { breaker, failTimes } = openBreaker(context)
    await failTimes(10, kind)
    assert.equal(breaker.state(), 'open')
  })
}

test('an error of our own says nothing about the host', async (context) => {
  const { breaker } = openBreaker(context)
  for (let index = 0; index < 20; index += 1) {
    await assert.rejects(breaker.run(() => Promise.reject(new TypeError('a mistake of ours'))))
  }
  assert.equal(breaker.state(), 'closed')
})

test('it closes for good only after three successes in a row, one call at a time', async (context) => {
  const { breaker, states, open, untilHalfOpen, succeed } = openBreaker(context)
  await open()
  await untilHalfOpen()
  for (const expected of ['half_open', 'half_open', 'closed']) {
    const trial = pendingCall()
    const running = breaker.run(trial.call)
    const refusal = await breaker.run(async () => 'second').catch((error) => error)
    assert.equal(refusal.kind, 'breaker_open')
    assert.ok(refusal.retryAt > new Date())
    trial.succeed()
    assert.equal(await running, 'late')
    assert.equal(breaker.state(), expected)
  }
  assert.deepEqual(await Promise.all([succeed(), succeed(), succeed()]), ['ok', 'ok', 'ok'])
  assert.deepEqual(states, ['closed', 'open', 'half_open', 'half_open', 'closed'])
})

for (const successes of [0, 1, 2]) {
  test(`a failure after ${successes} successes of the trial opens it again`, async (context) => {
    const { breaker, open, untilHalfOpen, succeed, fail } = openBreaker(context)
    // Many successes before, so that the rate alone would not open it.
    for (let index = 0; index < 9; index += 1) await succeed()
    await open()
    await untilHalfOpen()
    for (let index = 0; index < successes; index += 1) await succeed()
    await fail()
    assert.equal(breaker.state(), 'open')
    await untilHalfOpen()
    for (let index = 0; index < 3; index += 1) await succeed()
    assert.equal(breaker.state(), 'closed')
  })
}

test('a filtered failure counts as a success of the trial', async (context) => {
  const { breaker, open, untilHalfOpen, fail } = openBreaker(context)
  await open()
  await untilHalfOpen()
  await fail('not_found')
  await fail('rate_limited')
  assert.equal(breaker.state(), 'half_open')
  await fail('forbidden')
  assert.equal(breaker.state(), 'closed')
})

test('the late success of a call begun before it opened does not close it', async (context) => {
  const { breaker, open, untilHalfOpen } = openBreaker(context)
  const early = pendingCall()
  const running = breaker.run(early.call)
  await open()
  await untilHalfOpen()
  early.succeed()
  assert.equal(await running, 'late')
  assert.equal(breaker.state(), 'half_open')
  const trial = await breaker.run(async () => 'trial')
  assert.equal(trial, 'trial', 'the place of the trial is still free')
})

test('the late failure of a call begun before it opened does not end the trial', async (context) => {
  const { breaker, open, untilHalfOpen, succeed } = openBreaker(context)
  const early = pendingCall()
  const running = breaker.run(early.call)
  await open()
  await untilHalfOpen()
  await succeed()
  early.fail(new AppError('timeout', 'scripted'))
  await assert.rejects(running)
  assert.equal(breaker.state(), 'half_open')
  await succeed()
  await succeed()
  assert.equal(breaker.state(), 'closed')
})

test('what is thrown while preparing is not counted and frees the place of the trial', async (context) => {
  const { breaker, open, untilHalfOpen } = openBreaker(context)
  await open()
  await untilHalfOpen()
  let calls = 0
  for (const kind of ['rate_limited', 'database_unavailable'] as const) {
    const refusal = await breaker
      .run(
        async () => ++calls,
        () => Promise.reject(new AppError(kind, 'scripted')),
      )
      .catch((error) => error)
    assert.equal(refusal.kind, kind)
  }
  assert.equal(calls, 0)
  assert.equal(breaker.state(), 'half_open')
  assert.equal(await breaker.run(async () => 'trial'), 'trial')
})

test('a call that was preparing while it opened is not made', async (context) => {
  const { breaker, open } = openBreaker(context)
  const preparing = Promise.withResolvers<void>()
  let calls = 0
  const running = breaker.run(
    async () => ++calls,
    () => preparing.promise,
  )
  await open()
  preparing.resolve()
  await assert.rejects(running, { kind: 'breaker_open' })
  assert.equal(calls, 0)
})

test('switched off it only passes calls through', async (context) => {
  const { breaker, failTimes, succeed } = openBreaker(context, { enabled: false })
  await failTimes(30)
  assert.equal(await succeed(), 'ok')
  assert.equal(breaker.state(), 'closed')
})

test('the gauge is 1 for the current state and 0 for the others', async (context) => {
  const metrics = createMetrics()
  const { open } = openBreaker(context, { onState: breakerStateGauge(metrics), resetMs: 60_000 })
  await open()
  const { values } = await metrics.breakerState.get()
  const byState = Object.fromEntries(values.map(({ labels, value }) => [labels.state, value]))
  assert.deepEqual(byState, { open: 1, closed: 0, half_open: 0 })
})
