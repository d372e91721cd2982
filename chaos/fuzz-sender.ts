import http from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { FuzzRequest } from './fuzz-requests.ts'

/** What came back; `status` is null where the connection ended without an answer. */
export type FuzzAnswer = { status: number | null; webhookId: string | undefined; error: string | undefined }

export type FuzzSender = {
  send(request: FuzzRequest): Promise<FuzzAnswer>
  close(): void
}

const answerWithinMs = 30_000
const slowPieces = 5
const slowPauseMs = 300

/** Sends requests over a bounded number of connections that are kept. */
export function createFuzzSender(baseUrl: string, connections: number): FuzzSender {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections })

  async function sendOnce(planned: FuzzRequest): Promise<FuzzAnswer & { isStale: boolean }> {
    const { method, path, headers, body, sending } = planned
    const length = sending === 'in pieces' || method !== 'POST' ? {} : { 'content-length': body.length }
    const request = http.request(`${baseUrl}${path}`, {
      method,
      agent,
      path,
      headers: { ...headers, ...length },
      signal: AbortSignal.timeout(answerWithinMs),
    })
    const answer = new Promise<FuzzAnswer & { isStale: boolean }>((resolve) => {
      request.on('response', (response) => {
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
        const finish = (error: string | undefined) => {
          const webhookId = webhookIdIn(Buffer.concat(pieces).toString())
          resolve({ status: response.statusCode ?? null, webhookId, error, isStale: false })
        }
        response.on('end', () => finish(undefined))
        response.on('error', (error) => finish(error.message))
      })
      request.on('error', (error: NodeJS.ErrnoException) => {
        const isStale = request.reusedSocket && error.code === 'ECONNRESET'
        resolve({ status: null, webhookId: undefined, error: error.message, isStale })
      })
    })
    await write(request, body, sending)
    return answer
  }

  return {
    async send(request) {
      const first = await sendOnce(request)
      // A kept connection may be closed by the other side just as it is used again.
      return first.isStale && request.sending !== 'broken off' ? sendOnce(request) : first
    },
    close: () => agent.destroy(),
  }
}

async function write(
  request: http.ClientRequest,
  body: Buffer,
  sending: FuzzRequest['sending'],
): Promise<void> {
  if (sending === 'whole') {
    request.end(body.length === 0 ? undefined : body)
    return
  }
  if (sending === 'broken off') {
    request.write(body.subarray(0, Math.floor(body.length / 2)))
    await pause(20)
    request.destroy()
    return
  }
  const pieces = sending === 'slowly' ? slowPieces : 4
  const size = Math.ceil(body.length / pieces)
  for (let at = 0; at < body.length; at += size) {
    if (request.destroyed) return
    request.write(body.subarray(at, at + size))
    if (sending === 'slowly') await pause(slowPauseMs)
  }
  request.end()
}

/** The id in an answer that says that a webhook was stored. */
export function webhookIdIn(text: string): string | undefined {
  return /"webhookId":"([0-9a-f-]{36})"/.exec(text)?.[1]
}
