import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Listing } from '../../sandbox/listing-factory.ts'
import { accountId, openSandbox, requestToken, until } from './sandbox-fixture.ts'

test('a status fault hits as many matching calls as asked for, and nothing else', async (t) => {
  const { control, api } = await openSandbox(t)
  await control.injectFault({
    kind: 'status',
    status: 503,
    method: 'GET',
    path: '/listings/*',
    count: 2,
    skip: 1,
  })
  const id = (await api<Listing[]>('GET', '/listings')).body.result[0]?.id
  const statuses: number[] = []
  for (let round = 0; round < 4; round += 1) statuses.push((await api('GET', `/listings/${id}`)).status)
  assert.deepEqual(statuses, [200, 503, 503, 200])
  assert.equal((await api('GET', `/listings/${id}/calendar`)).status, 200)
  const [fault] = await control.faults()
  assert.deepEqual([fault?.hits, fault?.remaining], [2, 0])
  const hit = await control.calls({ status: 503 })
  assert.deepEqual(
    hit.flatMap(({ faultIds }) => faultIds),
    [fault?.id, fault?.id],
  )
})

test('a fault can be limited to one account, and be cleared', async (t) => {
  const { control, api, connect } = await openSandbox(t)
  await control.addAccount({ accountId: 20_002, apiKey: 'other' })
  const other = await connect(20_002, 'other')
  const fault = await control.injectFault({ kind: 'fail200', accountId: 20_002, body: 'Out of luck' })
  const failed = await other('GET', '/listings')
  assert.deepEqual([failed.status, failed.body], [200, { status: 'fail', message: 'Out of luck' }])
  assert.equal((await api('GET', '/listings')).body.status, 'success')
  await control.clearFaults(fault.id)
  assert.equal((await other('GET', '/listings')).body.status, 'success')
})

test('an injected 429 says when to come back', async (t) => {
  const { control, api } = await openSandbox(t)
  await control.injectFault({ kind: 'status', status: 429, retryAfterSeconds: 30, count: 1 })
  const { headers, body } = await api('GET', '/listings')
  const wait = Number(headers.get('x-ratelimit-retry-after')) - Date.now() / 1_000
  assert.ok(wait > 28 && wait < 32)
  assert.match(body.message ?? '', /exceeded the rate limits/)
})

test('the token endpoint can fail for one account as well', async (t) => {
  const { sandbox, control } = await openSandbox(t)
  await control.injectFault({ kind: 'status', status: 500, path: '/accessTokens', accountId })
  assert.equal((await requestToken(sandbox.apiUrl, accountId, 'any')).status, 500)
  assert.equal((await requestToken(sandbox.apiUrl, 5, 'any')).status, 401)
})

test('a dropped call has its effect or not, as asked for', async (t) => {
  const { control, api } = await openSandbox(t)
  const id = (await api<Listing[]>('GET', '/listings')).body.result[0]?.id
  const name = async () => (await api<Listing>('GET', `/listings/${id}`)).body.result.name
  await control.injectFault({ kind: 'drop', method: 'PUT', count: 1 })
  await assert.rejects(api('PUT', `/listings/${id}`, { name: 'Before' }))
  assert.equal(await name(), 'Harbour Loft')
  await control.injectFault({ kind: 'drop', effect: 'after', method: 'PUT', count: 1 })
  await assert.rejects(api('PUT', `/listings/${id}`, { name: 'After' }))
  assert.equal(await name(), 'After')
  const outcomes = (await control.calls({ method: 'PUT' })).map(({ outcome, status }) => [outcome, status])
  assert.deepEqual(outcomes, [
    ['dropped', null],
    ['dropped', null],
  ])
})

test('a slow call has its effect even when the caller has given up', async (t) => {
  const { sandbox, control, api } = await openSandbox(t)
  const id = (await api<Listing[]>('GET', '/listings')).body.result[0]?.id
  await control.injectFault({ kind: 'latency', latencyMs: 500, method: 'PUT', count: 1 })
  const { token } = await requestToken(sandbox.apiUrl, accountId, 'sandbox-key-10001')
  const caller = new AbortController()
  const given = fetch(`${sandbox.apiUrl}/listings/${id}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Late' }),
    signal: caller.signal,
  })
  await until(async () => (await control.calls({ method: 'PUT' })).length === 1)
  caller.abort()
  await assert.rejects(given)
  await until(async () => (await api<Listing>('GET', `/listings/${id}`)).body.result.name === 'Late')
  await until(async () => (await control.calls({ method: 'PUT' }))[0]?.outcome === 'abandoned')
})

test('a hanging call is never answered and does not keep the sandbox from closing', async (t) => {
  const { sandbox, control, api } = await openSandbox(t)
  await control.injectFault({ kind: 'hang', effect: 'after', path: '/listings' })
  const hanging = api('GET', '/listings')
  hanging.catch(() => {})
  await until(async () => (await control.calls({ path: '/listings' }))[0]?.outcome === 'hung')
  await sandbox.close()
  await assert.rejects(hanging)
})

test('answers can be truncated, a web page, or far too large', async (t) => {
  const { control, api } = await openSandbox(t)
  await control.injectFault({ kind: 'malformed', malformation: 'truncated', count: 1 })
  await assert.rejects(api('GET', '/listings'), SyntaxError)
  await control.injectFault({ kind: 'malformed', malformation: 'html', count: 1 })
  await assert.rejects(api('GET', '/listings'), SyntaxError)
  await control.injectFault({ kind: 'malformed', malformation: 'oversized', count: 1 })
  const { status, text } = await api('GET', '/listings')
  assert.deepEqual([status, text.length > 30 * 1024 * 1024], [200, true])
})

test('a sandbox that is down answers nothing, and comes back', async (t) => {
  const { control, api } = await openSandbox(t)
  await control.injectFault({ kind: 'down' })
  await assert.rejects(api('GET', '/listings'))
  await assert.rejects(api('GET', '/anything'))
  assert.equal((await control.calls()).at(-1)?.outcome, 'down')
  await control.clearFaults()
  assert.equal((await api('GET', '/listings')).status, 200)
})
