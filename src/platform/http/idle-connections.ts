import type { FastifyInstance } from 'fastify'

const checkEveryMs = 50

/**
 * Lets the server close as soon as the last request is answered. Answers given while it closes tell the client not to
 * use the connection again; one whose answer had begun before stays open, and is closed once it is idle. Without this
 * closing waits for the keep-alive time-out of every busy client.
 */
export function closeIdleConnections(app: FastifyInstance): void {
  let closing = false
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (closing) reply.header('connection', 'close')
    done()
  })
  app.addHook('preClose', async () => {
    closing = true
    if (!app.server.listening) return
    const timer = setInterval(() => app.server.closeIdleConnections(), checkEveryMs)
    app.server.once('close', () => clearInterval(timer))
  })
}
