import type { FastifyInstance } from 'fastify'

/** Work that comes again and again, in one process at a time. Safe to repeat; what it did it logs itself. */
export type Sweep = {
  name: string
  everyMs: number
  run: () => Promise<void>
  /** Whether the age of its last success is shown as the progress of the upkeep. */
  showsProgress?: boolean
}

/**
 * What a folder adds to the product. The app and the workers loop over the modules that `deps.ts` lists, so another
 * route, sweep or gauge touches one folder. Each function names the few of the process's resources that it takes.
 */
export type Module<Deps> = {
  name: string
  /** Mounts routes below `/v1`, whose callers have shown a token. */
  routes?: (app: FastifyInstance, deps: Deps) => Promise<void>
  /** Mounts routes at the root, which prove their callers themselves. */
  publicRoutes?: (app: FastifyInstance, deps: Deps) => Promise<void>
  sweeps?: (deps: Deps) => Sweep[]
  /** Sets gauges from what the database holds; called at each scrape. */
  gauges?: (deps: Deps) => Promise<void>
}
