import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { AppError, type FailureKind, toAppError } from '../../platform/errors.ts'
import type { Limiter } from '../../platform/limiter/limiter.ts'
import type { Metrics } from '../../platform/telemetry/metrics.ts'
import type { CallContext } from '../contract/channel.ts'
import type { Breaker } from './breaker.ts'
import { type Answer, failureOfAnswer, failureReported, malformedAnswer, type Secrets } from './failures.ts'
import { createTransport, type HttpRequest } from './transport.ts'
import { parseEnvelope } from './wire/envelope.ts'

export type CallerOptions = {
  apiUrl: string
  timeoutMs: number
  limiter: Pick<Limiter, 'acquire' | 'pause'>
  breaker: Pick<Breaker, 'run'>
  metrics: Pick<Metrics, 'apiRequests' | 'apiDuration'>
  log: Pick<Logger, 'warn'>
}

type CallPlace = Omit<CallContext, 'token'>

export type PlannedRequest<Result> = {
  request: HttpRequest
  /** The route as it appears in metrics and logs, for example `/reservations/:id`; never with ids or a query. */
  endpoint: string
  secrets: Secrets
  atTokenEndpoint?: boolean
  read: (answer: Answer) => Result
}

export type ApiRequest = Omit<HttpRequest, 'headers'> & { endpoint: string; secrets?: Secrets }

/** What an API answer carried: its result, and of a list the page size and the number of all rows, if it says so. */
export type ApiResult = { result: unknown; limit: number | undefined; count: number | undefined }

export type HostawayCaller = ReturnType<typeof createCaller>

/**
 * Makes calls one way only: admitted by the breaker, then a place in the limiter, then one HTTP request, classified.
 * A place in the limiter is only taken for a call that the breaker lets through.
 */
export function createCaller({ apiUrl, timeoutMs, limiter, breaker, metrics, log }: CallerOptions) {
  const transport = createTransport({ apiUrl, timeoutMs })

  async function takePlace({ accountId, urgency, maxWaitMs = 0 }: CallPlace): Promise<void> {
    const deadline = Date.now() + maxWaitMs
    for (;;) {
      const acquisition = await limiter.acquire({ accountId, urgency })
      if (acquisition.granted) return
      const { retryAt } = acquisition
      if (retryAt.getTime() > deadline) {
        throw new AppError('rate_limited', 'The rate limit of Hostaway leaves no room for this call now', {
          retryAt,
        })
      }
      await delay(Math.max(1, retryAt.getTime() - Date.now()))
    }
  }

  async function exchange<Result>(permission: CallPlace, planned: PlannedRequest<Result>): Promise<Result> {
    const { request, endpoint } = planned
    const { method } = request
    const started = performance.now()
    let status: number | FailureKind | undefined
    try {
      const answer = await transport.send(request)
      if (answer.status >= 300) status = answer.status
      const result = await understand(answer, permission, planned)
      status = answer.status
      return result
    } catch (error) {
      const failure = toAppError(error)
      // A failure inside a 2xx would look like a success if it were counted by its status.
      status ??= failure.kind
      const { accountId } = permission
      log.warn({ method, endpoint, accountId, status, reason: failure.message }, 'hostaway.call_failed')
      throw failure
    } finally {
      metrics.apiDuration.observe({ method, endpoint }, (performance.now() - started) / 1000)
      metrics.apiRequests.inc({ method, endpoint, status_code: status ?? 'unexpected' })
    }
  }

  async function understand<Result>(
    answer: Answer,
    { accountId }: CallPlace,
    { secrets, atTokenEndpoint = false, read }: PlannedRequest<Result>,
  ): Promise<Result> {
    const failure = failureOfAnswer(answer, secrets, atTokenEndpoint)
    if (failure === undefined) return read(answer)
    if (failure.kind === 'rate_limited') await pauseAfter(answer, failure, accountId)
    throw failure
  }

  async function pauseAfter(answer: Answer, failure: AppError, accountId: string): Promise<void> {
    const scope = answer.headers['x-ratelimit-applied'] === 'ip' ? 'ip' : 'account'
    if (failure.retryAt === undefined) return
    try {
      await limiter.pause({ scope, accountId, until: failure.retryAt })
    } catch (error) {
      log.warn({ accountId, scope, reason: toAppError(error).message }, 'hostaway.pause_not_stored')
    }
  }

  /** Makes one call; throws an AppError of the closed set of failures, with `retryAt` when it makes sense to wait. */
  async function make<Result>(permission: CallPlace, planned: PlannedRequest<Result>): Promise<Result> {
    const { startBefore } = permission
    return breaker.run(
      async () => {
        if (startBefore !== undefined && performance.now() > startBefore) {
          throw new AppError('rate_limited', 'The call was held up for too long to be made', {
            retryAt: new Date(),
          })
        }
        return exchange(permission, planned)
      },
      () => takePlace(permission),
    )
  }

  /** Makes one call with a bearer token to an endpoint that answers in Hostaway's envelope. */
  async function callApi(
    call: CallContext,
    { endpoint, secrets = [], ...request }: ApiRequest,
  ): Promise<ApiResult> {
    const known = [call.token, ...secrets]
    return make(call, {
      request: { ...request, headers: { authorization: `Bearer ${call.token}` } },
      endpoint,
      secrets: known,
      read: (answer) => readEnvelope(answer, known),
    })
  }

  return { make, callApi, hangUp: transport.hangUp, close: transport.close }
}

/** The result inside an answer; a failure that Hostaway reports with status 200 is thrown as one. */
export function readEnvelope(answer: Answer, secrets: Secrets): ApiResult {
  if (answer.status === 204) return { result: [], limit: undefined, count: undefined }
  const envelope = parseEnvelope(answer.text)
  if (envelope.outcome === 'success') return envelope
  if (envelope.outcome === 'fail') throw failureReported(envelope.message, answer.status, secrets)
  throw malformedAnswer(envelope.reason, answer.status)
}

/** An id as one segment of a path; throws `invalid_payload` for what could be more than that. */
export function pathId(id: string): string {
  return encodeURIComponent(checkedId(id))
}

/** The id itself, if it looks like one of Hostaway's; throws `invalid_payload`. */
export function checkedId(id: string): string {
  if (/^[\w.:-]{1,128}$/.test(id) && !/^\.+$/.test(id)) return id
  throw new AppError('invalid_payload', 'This is not an id of Hostaway')
}
