import http from 'node:http'

export type Meddler = { write(listing: number, interval: object): Promise<void> }

const patienceMs = 3_000
// Another address than the connector's, so that its windows are its own.
const localAddress = '127.0.0.2'

/** Another client with a token of the account, which writes to calendars at Hostaway. */
export async function openMeddler(
  hostawayUrl: string,
  { accountId, apiKey }: { accountId: number; apiKey: string },
): Promise<Meddler> {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: String(accountId),
    client_secret: apiKey,
    scope: 'general',
  })
  const formType = 'application/x-www-form-urlencoded'
  const issued = await send(`${hostawayUrl}/accessTokens`, 'POST', { 'content-type': formType }, String(form))
  const { access_token: token } = JSON.parse(issued) as { access_token: string }
  return {
    async write(listing, interval) {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
      await send(`${hostawayUrl}/listings/${listing}/calendar`, 'PUT', headers, JSON.stringify(interval))
    },
  }
}

function send(url: string, method: string, headers: Record<string, string>, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, localAddress, timeout: patienceMs }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        text += chunk
      })
      answer.on('end', () => resolve(text))
      answer.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error('no answer')))
    request.on('error', reject)
    request.end(body)
  })
}
