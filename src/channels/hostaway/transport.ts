import http from 'node:http'
import https from 'node:https'
import axios from 'axios'
import { AppError } from '../../platform/errors.ts'
import { type Answer, failureWithoutAnswer } from './failures.ts'

export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'DELETE'

export type HttpRequest = {
  method: HttpMethod
  /** Below the API's base address, ids already encoded. */
  path: string
  query?: Record<string, string | number>
  headers?: Record<string, string>
  /** Sent as JSON; a URLSearchParams as a form. */
  body?: unknown
}

const maxAnswerBytes = 20 * 1024 * 1024

/**
 * Sends one request and returns whatever was answered, with the body as text; throws an AppError without any of the
 * request in it when there was no complete answer within `timeoutMs`. It neither retries nor follows redirects: the
 * bearer token would go along.
 */
export function createTransport({ apiUrl, timeoutMs }: { apiUrl: string; timeoutMs: number }) {
  const httpAgent = new http.Agent({ keepAlive: true })
  const httpsAgent = new https.Agent({ keepAlive: true })
  const instance = axios.create({
    baseURL: apiUrl,
    timeout: timeoutMs,
    httpAgent,
    httpsAgent,
    proxy: false,
    maxRedirects: 0,
    maxContentLength: maxAnswerBytes,
    responseType: 'text',
    transformResponse: [(text: unknown) => text],
    validateStatus: () => true,
  })

  const hungUp = new AbortController()

  async function send(request: HttpRequest): Promise<Answer> {
    // The time-out of axios watches a silent connection only; an answer that drips in needs this one.
    const timeout = AbortSignal.timeout(timeoutMs)
    const signal = AbortSignal.any([timeout, hungUp.signal])
    try {
      const response = await instance.request<unknown>({
        method: request.method,
        url: request.path,
        headers: { accept: 'application/json', ...contentTypeOf(request.body), ...request.headers },
        signal,
        ...(request.query === undefined ? {} : { params: request.query }),
        ...(request.body === undefined ? {} : { data: serialise(request.body) }),
      })
      const text = typeof response.data === 'string' ? response.data : ''
      return { status: response.status, headers: { ...response.headers }, text }
    } catch (error) {
      if (hungUp.signal.aborted) {
        throw new AppError('shutting_down', 'The process ended before Hostaway answered')
      }
      throw failureWithoutAnswer(error, timeout.aborted, timeoutMs)
    }
  }

  return {
    send,
    /** Breaks off the calls under way and those that are yet to come; each fails with `shutting_down`. */
    hangUp: () => hungUp.abort(),
    /** Closes idle connections. */
    close: () => {
      httpAgent.destroy()
      httpsAgent.destroy()
    },
  }
}

function contentTypeOf(body: unknown): Record<string, string> {
  if (body === undefined) return {}
  const isForm = body instanceof URLSearchParams
  return { 'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json' }
}

function serialise(body: unknown): string {
  return body instanceof URLSearchParams ? body.toString() : JSON.stringify(body)
}
