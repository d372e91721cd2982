import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRateLimitProfile, RateLimits } from '../../sandbox/rate-limits.ts'
import { accountId, apiKey, openSandbox, requestToken } from './sandbox-fixture.ts'

function limitsOf(profile: string): RateLimits {
  const parsed = parseRateLimitProfile(profile)
  assert.ok(parsed)
  return new RateLimits(parsed)
}

const call = { ip: '10.0.0.1', accountId: 1, method: 'GET', path: '/listings' }

test('no window of ten seconds ever holds more than the limit, wherever it begins', () => {
  const limits = limitsOf('2025')
  const admitted: number[] = []
  for (let now = 0; now < 60_000; now += 130) if (limits.arrive(call, now) === null) admitted.push(now)
  for (const start of admitted) {
    const inside = admitted.filter((at) => at >= start && at < start + 10_000)
    assert.ok(inside.length <= 15)
  }
  assert.equal(admitted.length, 90)
})

test('a refusal names the window and the moment at which it opens', () => {
  const limits = limitsOf('3/10s,2/10s')
  assert.equal(limits.arrive(call, 1_000), null)
  assert.equal(limits.arrive(call, 2_000), null)
  assert.deepEqual(limits.arrive(call, 3_000), { applied: 'account', limit: 2, retryAtMs: 11_000 })
  assert.equal(limits.arrive({ ...call, accountId: 2 }, 3_000), null)
  assert.deepEqual(limits.arrive({ ...call, accountId: 3 }, 4_000), {
    applied: 'ip',
    limit: 3,
    retryAtMs: 11_000,
  })
  assert.equal(limits.arrive({ ...call, accountId: 3, ip: '10.0.0.2' }, 4_000), null)
  assert.notEqual(limits.arrive(call, 10_999), null)
  assert.equal(limits.arrive(call, 11_000), null)
})

test('the later profile counts messages splitConflictFree', () => {
  const limits = limitsOf('2026-08')
  const message = { ...call, method: 'POST', path: '/conversations/5/messages' }
  for (let sent = 0; sent < 30; sent += 1) assert.equal(limits.arrive(message, sent), null)
  assert.equal(limits.arrive(message, 100)?.applied, 'endpoint')
  assert.equal(limits.arrive(call, 100), null)
  const account = limits.report(100).find(({ kind }) => kind === 'account')
  assert.equal(account?.used, 1)
})

test('nonsense is no profile', () => {
  for (const text of ['', '2024', '5/10s', '0/10s,5/10s', '5/10,5/10s']) {
    assert.equal(parseRateLimitProfile(text), undefined)
  }
  assert.ok(parseRateLimitProfile('custom:15/10s,20/10s'))
})

test('an exceeded limit answers 429 with a timestamp, and token calls count for the address', async (t) => {
  const { sandbox, control, api } = await openSandbox(t)
  await control.setSwitches({ rateLimitProfile: '3/60s,20/60s' })
  await requestToken(sandbox.apiUrl, accountId, apiKey)
  await requestToken(sandbox.apiUrl, accountId, 'wrong')
  assert.equal((await api('GET', '/listings')).status, 200)
  const { status, headers, body } = await api('GET', '/listings')
  assert.equal(status, 429)
  assert.equal(body.status, 'fail')
  assert.match(body.message ?? '', /exceeded the rate limits/)
  assert.equal(headers.get('x-ratelimit-limit'), '3')
  assert.equal(headers.get('x-ratelimit-remaining'), '0')
  assert.equal(headers.get('x-ratelimit-applied'), 'ip')
  const retryAt = Number(headers.get('x-ratelimit-retry-after'))
  assert.ok(retryAt > Date.now() / 1_000 && retryAt < Date.now() / 1_000 + 62)
  assert.equal(headers.get('retry-after'), null)
  const { refused, windows } = await control.rateLimits()
  assert.equal(refused, 1)
  assert.equal(windows.find(({ kind }) => kind === 'ip')?.peak, 3)
  const [limited] = await control.calls({ status: 429 })
  assert.equal(limited?.limitedBy, 'ip')
})
