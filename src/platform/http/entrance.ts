import type { FastifyInstance } from 'fastify'

const places = { docs: '/docs', openapi: '/openapi.json', health: '/readyz' }
const links = Object.entries(places).map(([name, path]) => `<li><a href="${path}">${name}</a></li>`)
const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Hostaway connector</title><h1>Hostaway connector</h1><p>Keeps TVL and Hostaway in step.</p><ul>${links.join('')}</ul></html>`

/** What stands at the root: where the rest is, for people and for programs. */
export async function entranceRoutes(app: FastifyInstance): Promise<void> {
  app.get('/', { schema: { hide: true } }, (request, reply) => {
    reply.header('vary', 'accept')
    if ((request.headers.accept ?? '').includes('text/html')) return reply.type('text/html').send(page)
    return { name: 'Hostaway connector', ...places }
  })
}
