import { account, type VictimSystem } from './victim-system.ts'

type LogEntry = { responseStatus: number | null; responseBody: string }

const pageRows = 500

/** The ids of all webhooks that were answered 200, from the log that Hostaway keeps of its deliveries. */
export async function readAnsweredIds({ hostawayUrl }: VictimSystem): Promise<string[]> {
  const token = await issueToken(hostawayUrl)
  const ids: string[] = []
  for (let offset = 0; ; offset += pageRows) {
    const response = await fetch(`${hostawayUrl}/unifiedWebhookLogs?limit=${pageRows}&offset=${offset}`, {
      headers: { authorization: `Bearer ${token}` },
    })
    const { result } = (await response.json()) as { result: LogEntry[] }
    for (const { responseStatus, responseBody } of result) {
      if (responseStatus !== 200) continue
      const { webhookId } = JSON.parse(responseBody) as { webhookId?: string }
      if (webhookId !== undefined) ids.push(webhookId)
    }
    if (result.length < pageRows) return ids
  }
}

async function issueToken(hostawayUrl: string): Promise<string> {
  const response = await fetch(`${hostawayUrl}/accessTokens`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: String(account.accountId),
      client_secret: account.apiKey,
      scope: 'general',
    }),
  })
  const { access_token: token } = (await response.json()) as { access_token: string }
  return token
}
