import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { requestScope } from '../telemetry/request-scope.ts'

const header = 'x-request-id'
const usable = /^[\x21-\x7e]{1,256}$/

/** The caller's own id of a request where it is printable and short enough, else a new one. */
export function requestIdOf(request: IncomingMessage): string {
  const sent = request.headers[header]
  return typeof sent === 'string' && usable.test(sent) ? sent : randomUUID()
}

/** Answers every request with its id, and names it in all that is logged while it is served. */
export function useRequestIds(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    reply.header(header, request.id)
    requestScope.run(request.id, done)
  })
  // Reading the body goes on in the scope of the socket.
  app.addHook('preValidation', (request, _reply, done) => requestScope.run(request.id, done))
}
