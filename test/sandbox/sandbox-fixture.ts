import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { createControlClient } from '../../sandbox/control-client.ts'
import type { SandboxSettings } from '../../sandbox/settings.ts'
import { startSandbox } from '../../sandbox/start-sandbox.ts'

export type ApiBody<Result> = {
  status: string
  result: Result
  message?: string
  count?: number
  limit?: number | null
  offset?: number | null
  page?: number
  totalPages?: number
}

export const accountId = 10_001
export const apiKey = 'sandbox-key-10001'

/** A sandbox of the test's own, with a usable token; it is closed when the test ends. */
export async function openSandbox(test: TestContext, settings: Partial<SandboxSettings> = {}) {
  const sandbox = await startSandbox({
    port: 0,
    tokenDelayMs: 0,
    reservedDelayMs: 0,
    timeScale: 0.001,
    rateLimitProfile: 'off',
    startDay: '2027-03-01',
    ...settings,
  })
  test.after(() => sandbox.close())
  const control = createControlClient(sandbox.controlUrl)
  const connect = (id: number, key: string) => connectTo(sandbox.apiUrl, id, key)
  return { sandbox, control, connect, api: await connect(accountId, apiKey) }
}

export async function requestToken(apiUrl: string, id: number, key: string) {
  const form = {
    grant_type: 'client_credentials',
    client_id: String(id),
    client_secret: key,
    scope: 'general',
  }
  const response = await fetch(`${apiUrl}/accessTokens`, { method: 'POST', body: new URLSearchParams(form) })
  const body = (await response.json()) as Record<string, unknown>
  return { status: response.status, body, token: String(body.access_token) }
}

async function connectTo(apiUrl: string, id: number, key: string) {
  const { token } = await requestToken(apiUrl, id, key)
  return async <Result = Record<string, unknown>>(method: string, path: string, body?: unknown) => {
    const response = await fetch(`${apiUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: JSON.parse(text) as ApiBody<Result>,
    }
  }
}

export type Received = {
  method: string
  authorization: string | undefined
  text: string
  event: string | undefined
  data: Record<string, unknown>
}

/** An endpoint for webhooks that remembers what it got; it answers `statuses` one after another, then 200. */
export async function openReceiver(test: TestContext) {
  const received: Received[] = []
  const statuses: number[] = []
  const server = http.createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8')
    request.on('data', (piece: string) => {
      text += piece
    })
    request.on('end', () => {
      const isPing = text === '' || text === '{"data":"test"}'
      const parsed = text.startsWith('{') ? (JSON.parse(text) as { event?: string; data?: unknown }) : {}
      received.push({
        method: request.method ?? '',
        authorization: request.headers.authorization,
        text,
        event: parsed.event,
        data: (typeof parsed.data === 'object' ? parsed.data : {}) as Record<string, unknown>,
      })
      const status = isPing ? 200 : (statuses.shift() ?? 200)
      // Status 0 stands for never answering.
      if (status > 0) response.writeHead(status).end('seen')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  test.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const events = () => received.filter(({ event }) => event !== undefined)
  return { url: `http://127.0.0.1:${port}/hooks`, received, events, statuses }
}

export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 5_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('The condition was not met in time')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
