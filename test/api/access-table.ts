import { sandboxAccount } from '../support/test-system.ts'

export const tenantRoles = ['owner', 'manager', 'viewer', 'service'] as const
export type TenantRole = (typeof tenantRoles)[number]

/** Ids that exist, all of one tenant. */
export type Ids = {
  connection: string
  token: string
  booking: string
  webhook: string
  queued: string
  deadLetter: string
}

export type Access = {
  /** Who may call besides admin; `public` needs no token. */
  roles: readonly TenantRole[] | 'public'
  /** The address for the tenant's own resources. */
  path?: (ids: Ids) => string
  body?: (ids: Ids) => unknown
  /** What an allowed caller gets; a 4xx other than 401, 403 and 404 proves as well that it came through. */
  allowed: number
  /** What a token of another tenant gets for the same request; by default 404. `own`: 200, with its own rows only. */
  foreign?: number | 'own'
  /** What an admin who names no tenant gets, if that is something else. */
  admin?: number
}

const reader = ['owner', 'manager', 'viewer', 'service'] as const
export const person = ['owner', 'manager', 'viewer'] as const
const manager = ['owner', 'manager'] as const
const owner = ['owner'] as const
export const unknownId = '01890000-0000-7000-8000-000000000000'

// A route that is missing here fails the first test: whoever adds one says who may call it.
export const accessTable: Record<string, Access> = {
  'GET /healthz': { roles: 'public', allowed: 200 },
  'GET /readyz': { roles: 'public', allowed: 200 },
  'GET /metrics': { roles: 'public', allowed: 200 },
  'GET /webhooks/hostaway': { roles: 'public', allowed: 200 },
  'GET /webhooks/hostaway/{connectionId}': {
    roles: 'public',
    path: ({ connection }) => `/webhooks/hostaway/${connection}`,
    allowed: 200,
  },
  'POST /webhooks/hostaway': { roles: 'public', body: () => ({ data: 'test' }), allowed: 200 },
  'POST /webhooks/hostaway/{connectionId}': {
    roles: 'public',
    path: ({ connection }) => `/webhooks/hostaway/${connection}`,
    body: () => ({ data: 'test' }),
    allowed: 200,
  },

  'GET /v1/tenants': { roles: [], allowed: 200 },
  'GET /v1/tokens': { roles: owner, allowed: 200, foreign: 'own' },
  'POST /v1/tenants': { roles: [], body: () => ({ slug: 'Not a slug', name: 'x' }), allowed: 422 },
  'POST /v1/tokens': {
    roles: owner,
    body: () => ({ tenant: 'ours', role: 'viewer', name: 'made by the test' }),
    allowed: 201,
  },
  'DELETE /v1/tokens/{id}': { roles: owner, path: ({ token }) => `/v1/tokens/${token}`, allowed: 204 },

  'POST /v1/connections': {
    roles: owner,
    body: () => ({ tenant: 'ours', channel: 'hostaway', ...sandboxAccount }),
    allowed: 200,
  },
  'GET /v1/connections': { roles: person, allowed: 200, foreign: 'own' },
  'GET /v1/connections/{id}': {
    roles: person,
    path: ({ connection }) => `/v1/connections/${connection}`,
    allowed: 200,
  },
  'GET /v1/connections/{id}/listings': {
    roles: person,
    path: ({ connection }) => `/v1/connections/${connection}/listings`,
    allowed: 200,
  },
  'GET /v1/connections/{id}/sync': {
    roles: reader,
    path: ({ connection }) => `/v1/connections/${connection}/sync`,
    allowed: 200,
  },
  'POST /v1/connections/{id}/full-sync': {
    roles: manager,
    path: ({ connection }) => `/v1/connections/${connection}/full-sync`,
    allowed: 202,
  },
  'POST /v1/events': {
    roles: ['owner', 'service'],
    body: () => ({ type: 'nothing.updated', unitId: 'hostaway-8001' }),
    allowed: 422,
    foreign: 422,
    admin: 422,
  },

  'GET /v1/bookings': { roles: reader, allowed: 200, foreign: 'own' },
  'GET /v1/bookings/{id}': { roles: reader, path: ({ booking }) => `/v1/bookings/${booking}`, allowed: 200 },
  'GET /v1/units/{unitId}/calendar': {
    roles: reader,
    path: () => '/v1/units/hostaway-8001/calendar',
    allowed: 200,
    admin: 422,
  },
  'GET /v1/booking-queue': { roles: person, allowed: 200, foreign: 'own' },
  'GET /v1/booking-queue/{id}': {
    roles: person,
    path: ({ queued }) => `/v1/booking-queue/${queued}`,
    allowed: 200,
  },
  'GET /v1/feed': { roles: reader, allowed: 200, foreign: 'own' },

  'GET /v1/webhooks': { roles: person, allowed: 200, foreign: 'own' },
  'GET /v1/webhooks/{id}': { roles: person, path: ({ webhook }) => `/v1/webhooks/${webhook}`, allowed: 200 },
  'POST /v1/webhooks/{id}/replay': {
    roles: manager,
    path: ({ webhook }) => `/v1/webhooks/${webhook}/replay`,
    allowed: 202,
  },
  'GET /v1/dead-letters': { roles: person, allowed: 200, foreign: 'own' },
  'GET /v1/dead-letters/{id}': {
    roles: person,
    path: ({ deadLetter }) => `/v1/dead-letters/${deadLetter}`,
    allowed: 200,
  },
  'POST /v1/dead-letters/replay': {
    roles: manager,
    body: () => ({ connection: unknownId }),
    allowed: 202,
    foreign: 202,
  },
  'POST /v1/dead-letters/{id}/replay': {
    roles: manager,
    path: () => `/v1/dead-letters/${unknownId}/replay`,
    allowed: 404,
  },
  'POST /v1/dead-letters/{id}/discard': {
    roles: manager,
    path: ({ deadLetter }) => `/v1/dead-letters/${deadLetter}/discard`,
    body: () => ({ reason: 'seen' }),
    allowed: 200,
  },
}
