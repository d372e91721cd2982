import assert from 'node:assert/strict'

/** What another client does with an account at Hostaway, with its own token. */
export async function callHostaway(
  apiUrl: string,
  { accountId, apiKey }: { accountId: number; apiKey: string },
  { method, path, body }: { method: string; path: string; body?: unknown },
): Promise<unknown> {
  const credentials = { grant_type: 'client_credentials', client_secret: apiKey, scope: 'general' }
  const issued = await fetch(`${apiUrl}/accessTokens`, {
    method: 'POST',
    body: new URLSearchParams({ ...credentials, client_id: String(accountId) }),
  })
  const { access_token: token } = (await issued.json()) as { access_token: string }
  const response = await fetch(`${apiUrl}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  assert.equal(response.status, 200, await response.clone().text())
  return response.json()
}
