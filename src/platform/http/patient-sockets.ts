import type { FastifyInstance } from 'fastify'

// More than any answer that a client reads while it asks for the next thing.
const maxUnreadBytes = 1_048_576

/**
 * Serves one request of a connection at a time, and ends connections whose client asks and does not read. Node takes
 * every request that arrived together before it does anything else, and keeps every answer until it is read: a few
 * kilobytes of requests would stop the process for seconds and fill its memory. No client in use sends the next request
 * before the answer to the last one.
 */
export function useOneRequestPerSocket(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { socket } = request.raw
    const previous = answering.get(socket)
    const isUnanswered = previous !== undefined && !previous.writableEnded
    if (isUnanswered || socket.writableLength > maxUnreadBytes) {
      request.log.debug({ unread: socket.writableLength }, 'socket.ended')
      socket.destroy()
      reply.hijack()
      return
    }
    answering.set(socket, reply.raw)
    done()
  })
}

const answering = new WeakMap<object, { writableEnded: boolean }>()
