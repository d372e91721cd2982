import type { FastifyInstance } from 'fastify'

const checkEveryMs = 50

/**
 * Lets the server close as soon as the last request is answered. A connection that was busy when closing began stays
 * open for its client's next request otherwise, and closing waits for the keep-alive time-out.
 */
export function closeIdleConnections(app: FastifyInstance): void {
  app.addHook('preClose', async () => {
    if (!app.server.listening) return
    const timer = setInterval(() => app.server.closeIdleConnections(), checkEveryMs)
    app.server.once('close', () => clearInterval(timer))
  })
}
