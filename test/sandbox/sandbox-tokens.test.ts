import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accountId, apiKey, openSandbox, requestToken, until } from './sandbox-fixture.ts'

test('a token comes without an envelope and opens the API', async (t) => {
  const { sandbox, api } = await openSandbox(t)
  const { status, body } = await requestToken(sandbox.apiUrl, accountId, apiKey)
  assert.equal(status, 200)
  assert.deepEqual(Object.keys(body), ['token_type', 'expires_in', 'access_token'])
  assert.equal(body.expires_in, 63_072_000)
  assert.equal((await api('GET', '/listings')).status, 200)
})

test('wrong credentials are answered in the shape of an OAuth server', async (t) => {
  const { sandbox } = await openSandbox(t)
  for (const [id, key] of [
    [accountId, 'wrong'],
    [999, apiKey],
  ] as const) {
    const { status, body } = await requestToken(sandbox.apiUrl, id, key)
    assert.equal(status, 401)
    assert.equal(body.error, 'invalid_client')
    assert.equal(body.status, undefined)
  }
})

test('without a usable token every route answers 403, even one that does not exist', async (t) => {
  const { sandbox } = await openSandbox(t)
  for (const path of ['/listings', '/nothing']) {
    for (const headers of [{}, { authorization: 'Bearer made-up' }]) {
      const response = await fetch(`${sandbox.apiUrl}${path}`, { headers })
      assert.equal(response.status, 403)
      assert.deepEqual(await response.json(), {
        status: 'fail',
        message: 'The resource owner or authorization server denied the request.',
      })
    }
  }
})

test('a token works only after its delay', async (t) => {
  const { api } = await openSandbox(t, { tokenDelayMs: 1_000 })
  assert.equal((await api('GET', '/listings')).status, 403)
  await until(async () => (await api('GET', '/listings')).status === 200)
})

test('a revoked token is refused while a later one goes on working', async (t) => {
  const { sandbox, api } = await openSandbox(t)
  const { token } = await requestToken(sandbox.apiUrl, accountId, apiKey)
  const headers = { authorization: `Bearer ${token}` }
  const revoked = await fetch(`${sandbox.apiUrl}/accessTokens?token=${token}`, { method: 'DELETE', headers })
  assert.deepEqual(await revoked.json(), { status: 'success', result: [] })
  assert.equal((await fetch(`${sandbox.apiUrl}/listings`, { headers })).status, 403)
  assert.equal((await api('GET', '/listings')).status, 200)
})

test('tokens can be made to expire, and a changed key is refused', async (t) => {
  const { sandbox, control, api } = await openSandbox(t)
  assert.deepEqual(await control.expireTokens(accountId), { tokens: 1 })
  assert.equal((await api('GET', '/listings')).status, 403)
  await control.changeApiKey(accountId, 'new-key')
  assert.equal((await requestToken(sandbox.apiUrl, accountId, apiKey)).status, 401)
  assert.equal((await requestToken(sandbox.apiUrl, accountId, 'new-key')).status, 200)
})

test('neither keys nor tokens get into the journal', async (t) => {
  const { sandbox, control } = await openSandbox(t)
  const { token } = await requestToken(sandbox.apiUrl, accountId, apiKey)
  await fetch(`${sandbox.apiUrl}/accessTokens?token=${token}`, { method: 'DELETE' })
  const journal = JSON.stringify(await control.calls())
  assert.ok(!journal.includes(apiKey))
  assert.ok(!journal.includes(token))
})
