import type { FastifyInstance, FastifyRequest } from 'fastify'

type Known = { methods: Set<string>; pattern: RegExp }

/** Notes every route that is registered afterwards; the methods of an address are undefined where nothing has it. */
export function noteMethods(app: FastifyInstance): (request: FastifyRequest) => string[] | undefined {
  const byPath = new Map<string, Known>()
  app.addHook('onRoute', ({ url, method }) => {
    // The page that catches everything is no address of its own.
    if (url.endsWith('*')) return
    const known = byPath.get(url) ?? { methods: new Set(), pattern: patternOf(url) }
    for (const one of [method].flat()) known.methods.add(one)
    byPath.set(url, known)
  })
  return (request) => {
    const path = request.url.split('?', 1)[0] ?? ''
    const fitting = [...byPath.values()].filter(({ pattern }) => pattern.test(path))
    if (fitting.length === 0) return undefined
    return [...new Set(fitting.flatMap(({ methods }) => [...methods]))].toSorted()
  }
}

function patternOf(url: string): RegExp {
  return new RegExp(`^${url.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/:\w+/g, '[^/]+')}$`)
}
