import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callsPerMinute, parseRateLimitProfile } from '../../../src/platform/limiter/rate-limit-profile.ts'

test('the two periods of Hostaway and a pair of one’s own are profiles', () => {
  assert.deepEqual(parseRateLimitProfile('2025'), {
    ip: { limit: 15, milliseconds: 10_000 },
    account: { limit: 20, milliseconds: 10_000 },
  })
  assert.deepEqual(parseRateLimitProfile('2026-08').account, { limit: 200, milliseconds: 10_000 })
  assert.deepEqual(parseRateLimitProfile('custom:3/1s,4/60s'), {
    ip: { limit: 3, milliseconds: 1_000 },
    account: { limit: 4, milliseconds: 60_000 },
  })
})

const wrong = [
  '',
  '2024',
  '15/10s,20/10s',
  'custom:',
  'custom:15/10s',
  'custom:0/10s,20/10s',
  'custom:1/0s,1/1s',
]
const wrongToo = [
  'custom:-1/10s,20/10s',
  'custom:15/10,20/10',
  'custom:15/10s,20/10s,1/1s',
  'custom:99999/1s,1/1s',
]
for (const name of [...wrong, ...wrongToo]) {
  test(`"${name}" is refused in one clear sentence`, () => {
    assert.throws(() => parseRateLimitProfile(name), /is not a rate limit profile: use 2025, 2026-08, or/)
  })
}

test('calls per minute allow a burst in the time in which as many are due', () => {
  assert.deepEqual(callsPerMinute(100), { limit: 100, milliseconds: 60_000 })
  assert.deepEqual(callsPerMinute(100, 20), { limit: 20, milliseconds: 12_000 })
  assert.deepEqual(callsPerMinute(100, 120), { limit: 120, milliseconds: 72_000 })
})
