import type { FastifyInstance } from 'fastify'
import { answer, succeed } from './hostaway-answers.ts'
import { bodyObject, queryTexts } from './request-reading.ts'
import type { World } from './world.ts'

/** Client credentials for an access token, and its revocation. These routes need no token. */
export function addTokenEndpoint(app: FastifyInstance, world: World): void {
  app.post('/accessTokens', async (request, reply) => {
    const form = bodyObject(request)
    if (form.grant_type !== 'client_credentials') {
      return answer(reply, 400, {
        error: 'unsupported_grant_type',
        error_description: 'The authorization grant type is not supported by the authorization server.',
        message: 'The authorization grant type is not supported by the authorization server.',
      })
    }
    const account = world.accounts.find(Number(form.client_id))
    if (!account || account.apiKey !== form.client_secret) {
      return answer(reply, 401, {
        error: 'invalid_client',
        error_description: 'Client authentication failed',
        message: 'Client authentication failed',
      })
    }
    const { accessToken, expiresInSeconds } = world.tokens.issue(account.accountId, Date.now())
    return answer(reply, 200, {
      token_type: 'Bearer',
      expires_in: expiresInSeconds,
      access_token: accessToken,
    })
  })

  app.delete('/accessTokens', async (request, reply) => {
    world.tokens.revoke(queryTexts(request).token ?? '')
    return succeed(reply, [])
  })
}
