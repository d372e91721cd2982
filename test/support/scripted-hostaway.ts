import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'

export type ReceivedRequest = {
  at: number
  method: string
  path: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
  body: string
}

export type Script = (request: ReceivedRequest, response: ServerResponse) => void | Promise<void>

/** A server on a free port that does to each request what the current script says; ends with the test. */
export async function startScriptedHostaway(context: TestContext, first: Script = answering({ result: [] })) {
  let script = first
  const requests: ReceivedRequest[] = []
  const server = createServer(async (incoming, response) => {
    const at = performance.now()
    const url = new URL(incoming.url ?? '/', 'http://scripted')
    const request = {
      at,
      method: incoming.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      body: await text(incoming),
    }
    requests.push(request)
    await script(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  context.after(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return {
    apiUrl: `http://127.0.0.1:${port}/v1`,
    requests,
    onRequest: (next: Script) => {
      script = next
    },
  }
}

/** Answers every request with one JSON body; a body without a status of its own is a success. */
export function answering(body: object, status = 200, headers: Record<string, string> = {}): Script {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify({ status: status < 400 ? 'success' : 'fail', ...body }))
  }
}

/** Answers every request with exactly this text. */
export function answeringText(body: string, status = 200, headers: Record<string, string> = {}): Script {
  return (_request, response) => {
    response.writeHead(status, headers)
    response.end(body)
  }
}
