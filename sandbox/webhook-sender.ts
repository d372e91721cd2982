import http from 'node:http'
import https from 'node:https'
import type { DeliveryAttempt } from './webhook-records.ts'

export type Answer = { attempt: DeliveryAttempt; body: string }

type Target = { url: string; login: string | null; password: string | null }

const mostBytesKept = 2_000

/** Makes single HTTP calls to webhook endpoints over connections of its own. */
export class WebhookSender {
  private readonly plain = new http.Agent({ keepAlive: true })
  private readonly secure = new https.Agent({ keepAlive: true })
  private readonly timeoutMs: number

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs
  }

  /** Never rejects: what went wrong is in the attempt. */
  async send(method: 'POST' | 'GET', target: Target, body: string): Promise<Answer> {
    const first = await this.sendOnce(method, target, body)
    // The other side may close a kept connection just as it is used again; that says nothing about the endpoint.
    return first.staleConnection ? this.sendOnce(method, target, body) : first
  }

  private sendOnce(
    method: 'POST' | 'GET',
    target: Target,
    body: string,
  ): Promise<Answer & { staleConnection: boolean }> {
    const startedAt = Date.now()
    return new Promise((resolve) => {
      const finish = (status: number | null, error: string | null, text = '', staleConnection = false) => {
        const at = new Date(startedAt).toISOString()
        const attempt = { at, durationMs: Date.now() - startedAt, status, error }
        resolve({ attempt, body: text, staleConnection })
      }
      let request: http.ClientRequest
      try {
        const { client, options } = this.prepare(method, target, body)
        request = client.request(target.url, options)
      } catch (error) {
        finish(null, error instanceof Error ? error.message : String(error))
        return
      }
      request.on('response', (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (piece: string) => {
          if (text.length < mostBytesKept) text += piece.slice(0, mostBytesKept - text.length)
        })
        response.on('end', () => finish(response.statusCode ?? null, null, text))
        response.on('error', (error) => finish(null, error.message))
      })
      request.on('error', (error: NodeJS.ErrnoException) => {
        finish(null, error.message, '', request.reusedSocket && error.code === 'ECONNRESET')
      })
      request.end(method === 'POST' ? body : undefined)
    })
  }

  /** Breaks off every call that is under way. */
  close(): void {
    this.plain.destroy()
    this.secure.destroy()
  }

  private prepare(method: string, target: Target, body: string) {
    const isSecure = new URL(target.url).protocol === 'https:'
    const headers: http.OutgoingHttpHeaders = { accept: '*/*' }
    if (method === 'POST') {
      headers['content-type'] = 'application/json'
      headers['content-length'] = Buffer.byteLength(body)
    }
    const options: http.RequestOptions = {
      method,
      headers,
      agent: isSecure ? this.secure : this.plain,
      signal: AbortSignal.timeout(this.timeoutMs),
    }
    if (target.login && target.password) options.auth = `${target.login}:${target.password}`
    return { client: isSecure ? https : http, options }
  }
}
