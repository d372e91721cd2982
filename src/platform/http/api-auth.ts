import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Role } from '../db/tables.ts'
import { createThrottle } from '../telemetry/throttle.ts'
import { Problem } from './problems.ts'

/**
 * Who calls, and the name its token was given; `tenantId` is null for an admin, who sees every tenant, `tokenId` for the
 * token of the settings.
 */
export type Caller = {
  role: Role
  tenantId: string | null
  tenantSlug: string | null
  tokenId: string | null
  tokenName: string
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The least roles that may call the route; roles above them are included. */
    roles?: Role[]
  }
  interface FastifyRequest {
    caller: Caller
  }
}

// admin ⊃ owner ⊃ manager ⊃ viewer, and owner ⊃ service.
const rolesWithin: Record<Role, readonly Role[]> = {
  admin: ['admin', 'owner', 'manager', 'viewer', 'service'],
  owner: ['owner', 'manager', 'viewer', 'service'],
  manager: ['manager', 'viewer'],
  viewer: ['viewer'],
  service: ['service'],
}

type ApiAuthOptions = {
  adminToken: string | undefined
  findOwner: (token: string) => Promise<Caller | undefined>
  /** Whether this address has failed too often recently. */
  tooManyFailures: (request: FastifyRequest) => Promise<boolean>
}

/** Requires a bearer token and a sufficient role on every route of this instance; a route without roles does not start. */
export function useApiAuth(app: FastifyInstance, options: ApiAuthOptions): void {
  const adminDigest = options.adminToken === undefined ? undefined : digest(options.adminToken)
  app.decorateRequest('caller')
  app.addHook('onRoute', (route) => {
    if (route.method !== 'HEAD' && route.config?.roles === undefined) {
      throw new Error(`${String(route.method)} ${route.url} names no roles`)
    }
  })
  app.addHook('onRequest', async (request) => {
    const caller = await identify(request, adminDigest, options)
    const allowed = request.routeOptions.config.roles ?? []
    if (!allowed.some((role) => rolesWithin[caller.role].includes(role))) {
      throw new Problem(
        403,
        'FORBIDDEN',
        `This needs the role ${allowed.join(' or ')}; the token has ${caller.role}`,
      )
    }
    request.caller = caller
  })
}

/** The tenant a query is restricted to; undefined only for an admin, who sees all. */
export function tenantScope(request: FastifyRequest): string | undefined {
  return request.caller.tenantId ?? undefined
}

/** Whether the caller has a role or one above it. */
export function hasRole(request: FastifyRequest, role: Role): boolean {
  return rolesWithin[request.caller.role].includes(role)
}

const logFailedEveryMs = 1_000
// A flood of wrong tokens must not flood the log as well.
const logFailed = createThrottle(logFailedEveryMs)

// The whole header: what follows a token is no part of it.
const bearer = /^bearer ([^\s]+)$/i

async function identify(
  request: FastifyRequest,
  adminDigest: Buffer | undefined,
  options: ApiAuthOptions,
): Promise<Caller> {
  const [, token] = bearer.exec(request.headers.authorization ?? '') ?? []
  if (token !== undefined) {
    if (adminDigest !== undefined && timingSafeEqual(adminDigest, digest(token))) {
      return { role: 'admin', tenantId: null, tenantSlug: null, tokenId: null, tokenName: 'admin' }
    }
    const owner = await options.findOwner(token)
    if (owner !== undefined) return owner
  }
  logFailed((heldBack) =>
    request.log.warn({ ip: request.ip, path: request.url.split('?', 1)[0], heldBack }, 'auth.failed'),
  )
  if (await options.tooManyFailures(request)) {
    throw new Problem(
      429,
      'TOO_MANY_REQUESTS',
      'Too many requests without a valid token; try again in a minute',
      undefined,
      60,
    )
  }
  throw new Problem(401, 'UNAUTHENTICATED', 'Send a valid API token as `Authorization: Bearer <token>`')
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
