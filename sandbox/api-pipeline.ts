import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Account } from './accounts.ts'
import type { Call } from './call-journal.ts'
import { applyFaultAfter, applyFaultsBefore } from './fault-effects.ts'
import type { FaultRule } from './fault-injection.ts'
import { answer, deniedMessage, failWithMessage, failWithRateLimit } from './hostaway-answers.ts'
import { isJsonObject } from './json-text.ts'
import { Contradiction, InvalidInput, NotFound } from './refusals.ts'
import type { World } from './world.ts'

type Passage = { call: Call; isAuthorised: boolean; account: Account | null; lateFaults: FaultRule[] }

const passages = new WeakMap<FastifyRequest, Passage>()

/** The account whose token came with the request. Only for routes behind the token check. */
export function accountOf(request: FastifyRequest): Account {
  const account = passages.get(request)?.account
  if (!account) throw new Error('This route has no account')
  return account
}

/** What every call goes through, in this order: journal, rate limits, faults, token check, the route, late faults. */
export function addPipeline(app: FastifyInstance, world: World): void {
  app.addHook('onRequest', async (request, reply) => {
    const now = Date.now()
    const path = request.url.split('?')[0]?.replace(/^\/v1/, '') ?? ''
    const token = tokenOf(world, request, now)
    const call = world.journal.open(
      {
        ip: request.ip.replace(/^::ffff:/, ''),
        method: request.method,
        path,
        query: withoutToken(request.query),
        accountId: token.accountId,
      },
      now,
    )
    const account = token.accountId === null ? null : (world.accounts.find(token.accountId) ?? null)
    passages.set(request, { call, isAuthorised: token.isUsable, account, lateFaults: [] })
    reply.raw.once('close', () => closeCall(call, reply))
    const down = world.faults.takeDown(call)
    if (down) {
      call.faultIds.push(down.id)
      call.outcome = 'down'
      request.raw.socket.destroy()
      return reply.hijack()
    }
    const refusal = world.limits.arrive(call, now)
    if (refusal) {
      call.limitedBy = refusal.applied
      return failWithRateLimit(reply, refusal)
    }
    return undefined
  })

  app.addHook('preHandler', async (request, reply) => {
    const passage = passages.get(request)
    if (!passage) return undefined
    const { call } = passage
    const isTokenCall = call.path === '/accessTokens'
    if (isTokenCall) noteTokenCall(call, request)
    else call.body = request.body ?? null
    const faults = world.faults.takeFaults(call)
    call.faultIds.push(...faults.map(({ id }) => id))
    passage.lateFaults = faults.filter(({ effect }) => effect === 'after')
    const early = faults.filter(({ effect }) => effect === 'before')
    if (await applyFaultsBefore(early, { call, request, reply })) return reply
    if (!isTokenCall && !passage.isAuthorised) return failWithMessage(reply, 403, deniedMessage)
    return undefined
  })

  app.addHook('onSend', async (request, reply, payload) => {
    const passage = passages.get(request)
    if (!passage) return payload
    let spoilt: unknown = payload
    for (const fault of passage.lateFaults.splice(0)) {
      spoilt = await applyFaultAfter(fault, { call: passage.call, request, reply }, spoilt)
    }
    return spoilt
  })

  app.setErrorHandler((error, request, reply) => failFor(world, error, request, reply))
  app.setNotFoundHandler((_request, reply) => failWithMessage(reply, 404, 'Resource not found'))
}

function closeCall(call: Call, reply: FastifyReply): void {
  call.durationMs = Date.now() - call.arrivedAtMs
  if (call.outcome !== 'pending') return
  const isComplete = reply.raw.writableFinished
  call.outcome = isComplete ? 'answered' : 'abandoned'
  if (isComplete) call.status = reply.raw.statusCode
}

function tokenOf(
  world: World,
  request: FastifyRequest,
  now: number,
): { accountId: number | null; isUsable: boolean } {
  const header = request.headers.authorization ?? ''
  const token = world.tokens.find(header.replace(/^Bearer /, ''))
  if (!token) return { accountId: null, isUsable: false }
  return { accountId: token.accountId, isUsable: token.usableFromMs <= now && token.expiresAtMs > now }
}

// The journal is public, so neither keys nor tokens may get into it.
function noteTokenCall(call: Call, request: FastifyRequest): void {
  if (!isJsonObject(request.body)) return
  const { client_id: clientId, grant_type: grantType } = request.body
  call.body = { client_id: clientId ?? null, grant_type: grantType ?? null }
  if (/^\d+$/.test(String(clientId))) call.accountId = Number(clientId)
}

function withoutToken(query: unknown): Record<string, unknown> {
  if (!isJsonObject(query)) return {}
  return 'token' in query ? { ...query, token: '****' } : query
}

function failFor(world: World, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { validationStatus, failureText } = world.switches
  if (error instanceof NotFound) return failWithMessage(reply, 404, error.message)
  if (error instanceof InvalidInput || error instanceof Contradiction) {
    const status = error instanceof InvalidInput ? (error.status ?? validationStatus) : validationStatus
    return answer(reply, status, { status: 'fail', [failureText]: error.message })
  }
  const status = statusOf(error)
  if (status < 500)
    return failWithMessage(reply, status, error instanceof Error ? error.message : 'Bad request')
  world.log('internal error', {
    method: request.method,
    path: request.url.split('?')[0],
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  })
  return failWithMessage(reply, 500, 'Internal error')
}

function statusOf(error: unknown): number {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return 500
  return typeof error.statusCode === 'number' ? error.statusCode : 500
}
