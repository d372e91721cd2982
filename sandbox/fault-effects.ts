import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Call } from './call-journal.ts'
import type { FaultRule } from './fault-injection.ts'
import { deniedMessage, rateLimitHeaders, rateLimitMessage } from './hostaway-answers.ts'
import { phpJson } from './json-text.ts'

type Exchange = { call: Call; request: FastifyRequest; reply: FastifyReply }

const webPage =
  '<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Please try again later</h1></body></html>'
const oversizedBytes = 32 * 1024 * 1024

/** Lets the faults happen before the route runs. True when the call ends here and the route must not run. */
export async function applyFaultsBefore(faults: FaultRule[], exchange: Exchange): Promise<boolean> {
  for (const fault of faults) {
    if (fault.kind === 'latency') await delay(fault.latencyMs ?? 0)
    else {
      await endCall(fault, exchange)
      return true
    }
  }
  return false
}

async function endCall(fault: FaultRule, { call, request, reply }: Exchange): Promise<void> {
  if (fault.kind === 'hang' || fault.kind === 'drop') {
    reply.hijack()
    await breakOff(fault, call, request)
    return
  }
  const { status, type, body } = replacement(fault, '{"status":"success","result":[]}')
  if (status === 429) addRateHeaders(fault, reply)
  reply.code(status).header('content-type', type).send(body)
}

/** Spoils the answer of a call that has had its effect already. */
export async function applyFaultAfter(
  fault: FaultRule,
  { call, request, reply }: Exchange,
  payload: unknown,
): Promise<unknown> {
  if (fault.kind === 'latency') {
    await delay(fault.latencyMs ?? 0)
    return payload
  }
  if (fault.kind === 'hang' || fault.kind === 'drop') {
    await breakOff(fault, call, request)
    return payload
  }
  const { status, type, body } = replacement(fault, typeof payload === 'string' ? payload : '')
  if (status === 429) addRateHeaders(fault, reply)
  reply.code(status).header('content-type', type).removeHeader('content-length')
  return body
}

async function breakOff(fault: FaultRule, call: Call, request: FastifyRequest): Promise<void> {
  const { socket } = request.raw
  if (fault.kind === 'hang') {
    call.outcome = 'hung'
    if (!socket.destroyed) await once(socket, 'close')
    return
  }
  call.outcome = 'dropped'
  socket.destroy()
}

function addRateHeaders(fault: FaultRule, reply: FastifyReply): void {
  const retryAtMs = Date.now() + (fault.retryAfterSeconds ?? 10) * 1_000
  rateLimitHeaders(reply, { limit: 15, retryAtMs, applied: 'provider' })
}

function replacement(fault: FaultRule, original: string): { status: number; type: string; body: string } {
  const type = 'application/json'
  if (fault.kind === 'fail200') {
    const text = typeof fault.body === 'string' ? fault.body : 'Something went wrong'
    return { status: 200, type, body: phpJson({ status: 'fail', message: text }) }
  }
  if (fault.kind === 'status') {
    const status = fault.status ?? 500
    if (typeof fault.body === 'string') return { status, type: 'text/html', body: fault.body }
    return { status, type, body: phpJson(fault.body ?? { status: 'fail', message: messageFor(status) }) }
  }
  if (fault.malformation === 'html') return { status: 200, type: 'text/html', body: webPage }
  if (fault.malformation === 'oversized') {
    return { status: 200, type, body: `{"status":"success","result":"${'x'.repeat(oversizedBytes)}"}` }
  }
  return { status: 200, type, body: original.slice(0, Math.ceil(original.length / 2)) }
}

function messageFor(status: number): string {
  if (status === 401 || status === 403) return deniedMessage
  if (status === 429) return rateLimitMessage
  return status === 404 ? 'Resource not found' : 'Internal error'
}
