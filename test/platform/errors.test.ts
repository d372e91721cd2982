import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  AppError,
  type FailureFacts,
  type FailureKind,
  factsOf,
  failureKinds,
  isRefusal,
  isRemoteAway,
  mayStillLand,
  toAppError,
} from '../../src/platform/errors.ts'

const kinds = Object.keys(failureKinds) as FailureKind[]
const kindsWhere = (holds: (failure: AppError) => boolean, status?: number) =>
  kinds.filter((kind) => holds(new AppError(kind, kind, status === undefined ? {} : { status })))

const complete = {
  outcome: 'retry',
  httpStatus: 500,
  logLevel: 'warn',
  remote: 'unknown',
  effect: 'none',
} as const
export const placed = { strange: { ...complete, blames: 'us' } } satisfies Record<string, FailureFacts>
// @ts-expect-error A kind that lacks a fact does not compile.
export const unplaced = { strange: complete } satisfies Record<string, FailureFacts>

it('a bug of ours and a refusal wait for a person at once, what passes by itself is tried again', () => {
  assert.deepEqual(
    kindsWhere((failure) => factsOf(failure).outcome === 'retry'),
    [
      'network',
      'timeout',
      'hostaway_unavailable',
      'intercepted',
      'malformed_response',
      'database_unavailable',
      'contention',
      'queue_unavailable',
    ],
  )
  assert.deepEqual(
    kindsWhere((failure) => factsOf(failure).outcome === 'defer'),
    ['rate_limited', 'breaker_open', 'token_renewing', 'shutting_down', 'connection_waiting'],
  )
})

it('the remote system is down where it gave no usable answer, and up where it said anything else', () => {
  assert.deepEqual(
    kindsWhere((failure) => factsOf(failure).remote === 'down'),
    ['network', 'timeout', 'hostaway_unavailable', 'intercepted', 'malformed_response'],
  )
  assert.deepEqual(
    kindsWhere((failure) => factsOf(failure).remote === 'up'),
    [
      ...['rate_limited', 'credentials_rejected', 'forbidden', 'not_found'],
      ...['conflict', 'business_rule', 'rejected'],
    ],
  )
})

it('only what was refused or never sent is certain to have changed nothing', () => {
  assert.deepEqual(
    kindsWhere((failure) => factsOf(failure).effect === 'maybe'),
    [
      ...['shutting_down', 'network', 'timeout', 'hostaway_unavailable', 'intercepted', 'malformed_response'],
      ...['database_unavailable', 'contention', 'queue_unavailable', 'stalled', 'unexpected'],
    ],
  )
})

it('a write may still land where no answer came, or only one of a gateway that gave up', () => {
  const landing = ['timeout', 'network', 'unexpected', 'database_unavailable'] as const
  for (const kind of landing) assert.equal(mayStillLand(new AppError(kind, kind)), true, kind)
  for (const status of [502, 504]) {
    assert.equal(mayStillLand(new AppError('hostaway_unavailable', 'away', { status })), true)
  }
  assert.equal(mayStillLand(new AppError('timeout', 'a proxy lost patience', { status: 408 })), true)
  assert.equal(mayStillLand(new AppError('hostaway_unavailable', 'broke', { status: 500 })), false)
  assert.equal(mayStillLand(new AppError('malformed_response', 'HTML', { status: 200 })), false)
  assert.deepEqual(
    kindsWhere((failure) => isRefusal(failure) && mayStillLand(failure)),
    [],
  )
})

it('a refusal is what the remote system read and does not do', () => {
  assert.deepEqual(kindsWhere(isRefusal), ['conflict', 'business_rule', 'rejected'])
})

it('the remote system cannot be asked while it is down or something holds the call back', () => {
  assert.deepEqual(kindsWhere(isRemoteAway), [
    ...['rate_limited', 'breaker_open', 'token_renewing', 'shutting_down'],
    ...['network', 'timeout', 'hostaway_unavailable', 'intercepted', 'malformed_response'],
  ])
})

it('a database that is down, full or restarting is distinguished from a wrong statement', () => {
  const kindOf = (code: string) => toAppError(Object.assign(new Error('refused'), { code })).kind
  for (const code of ['08006', '53100', '53300', '57P01', '58030', 'ECONNRESET']) {
    assert.equal(kindOf(code), 'database_unavailable', code)
  }
  for (const code of ['40001', '40P01', '55P03', '57014', '23505']) {
    assert.equal(kindOf(code), 'contention', code)
  }
  for (const message of [
    'Connection terminated unexpectedly',
    'Cannot use a pool after calling end on the pool',
  ]) {
    assert.equal(toAppError(new Error(message)).kind, 'database_unavailable', message)
  }
  for (const code of ['23514', '42703', 'P0001', '57', 'ERR_ASSERTION']) {
    assert.equal(kindOf(code), 'unexpected', code)
  }
})
