import { checkedId, type HostawayCaller, readEnvelope } from './caller.ts'
import { malformedAnswer } from './failures.ts'
import { parseIssuedToken } from './wire/envelope.ts'

const endpoint = '/accessTokens'

/** Calls of the token endpoint. */
export function tokenCalls({ make }: HostawayCaller) {
  return {
    /**
     * Exchanges the API key for an access token, usable one second after issue. Throws `credentials_rejected` when
     * Hostaway does not know the key. Older tokens stay valid, so doing it twice does no harm.
     */
    requestAccessToken: (request: {
      accountId: string
      apiKey: string
      countedFor?: string
      maxWaitMs?: number
    }): Promise<{ accessToken: string; expiresInSeconds: number }> => {
      const { apiKey, accountId, countedFor = accountId, ...permission } = request
      const form = new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: checkedId(accountId),
        client_secret: apiKey,
        scope: 'general',
      })
      return make(
        { ...permission, accountId: countedFor, urgency: 'urgent' },
        {
          request: { method: 'POST', path: endpoint, body: form },
          endpoint,
          secrets: [apiKey],
          atTokenEndpoint: true,
          read: (answer) => {
            const token = parseIssuedToken(answer.text)
            if (token !== undefined) return token
            readEnvelope(answer, [apiKey])
            throw malformedAnswer('it holds no usable access token', answer.status)
          },
        },
      )
    },

    /** Makes an access token worthless; revoking it twice does no harm. */
    revokeAccessToken: async (request: {
      accountId: string
      token: string
      maxWaitMs?: number
    }): Promise<void> => {
      const { token, ...permission } = request
      await make(
        { ...permission, urgency: 'normal' },
        {
          request: {
            method: 'DELETE',
            path: endpoint,
            query: { token },
            headers: { authorization: `Bearer ${token}` },
          },
          endpoint,
          secrets: [token],
          read: (answer) => readEnvelope(answer, [token]),
        },
      )
    },
  }
}
