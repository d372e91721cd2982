import type { FastifyInstance, FastifySchema } from 'fastify'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A request without a body is taken as one with an empty object. */
    bodyIsOptional?: boolean
  }
}

/** Lets the routes of this instance that say so be called without a body. */
export function useOptionalBodies(app: FastifyInstance): void {
  app.addHook('preValidation', async (request) => {
    if (request.routeOptions.config.bodyIsOptional) request.body ??= {}
  })
}

/** The schema of a route for the API's description: a body that has a default may be left out. */
export function withDefaultBody<Schema extends FastifySchema>(
  schema: Schema,
  config: { bodyIsOptional?: boolean } | undefined,
): Schema {
  if (config?.bodyIsOptional !== true) return schema
  return { ...schema, body: { ...(schema.body as object), default: {} } }
}
