import type { TestConnection, TestSystem } from '../support/test-system.ts'

export const tenantRoles = ['owner', 'manager', 'viewer', 'service'] as const
export type TenantRole = (typeof tenantRoles)[number]

// Who has a role, by the roles that include it.
export const reader = ['owner', 'manager', 'viewer', 'service'] as const
export const person = ['owner', 'manager', 'viewer'] as const
export const manager = ['owner', 'manager'] as const
export const writer = ['owner', 'manager', 'service'] as const
export const owner = ['owner'] as const

/** Ids of things that exist, all of one tenant. */
export type Ids = {
  connection: string
  listing: string
  unit: string
  token: string
  booking: string
  webhook: string
  queued: string
  deadLetter: string
  event: string
  import: string
  mappingVersion: string
  remap: string
}

/** What a parameter of an address stands for; a route whose parameter is not here fails the test. */
const resources: Record<string, keyof Ids> = {
  '/webhooks/hostaway/{connectionId}': 'connection',
  '/v1/tokens/{id}': 'token',
  '/v1/connections/{id}': 'connection',
  '/v1/connections/{id}/listings/{listingId}': 'listing',
  '/v1/connections/{id}/imports/{importId}': 'import',
  '/v1/connections/{id}/mapping/versions/{version}': 'mappingVersion',
  '/v1/connections/{id}/mapping/remaps/{remapId}': 'remap',
  '/v1/bookings/{id}': 'booking',
  '/v1/units/{unitId}': 'unit',
  '/v1/booking-queue/{id}': 'queued',
  '/v1/webhooks/{id}': 'webhook',
  '/v1/dead-letters/{id}': 'deadLetter',
  '/v1/events/{id}': 'event',
}

export type Made = { system: TestSystem; connection: TestConnection; ids: Ids }

export type Access = {
  /** Who may call besides admin; `public` needs no token. */
  roles: readonly TenantRole[] | 'public'
  body?: (ids: Ids) => unknown
  /** What an allowed caller gets. A 409 or 422 proves as well that it came through; 401, 403 and 404 do not. */
  allowed: number
  /** What a token of another tenant gets for the same request; by default 404. `own`: 200, with its own rows only. */
  foreign?: number | 'own'
  /** What an admin who names no tenant gets, if that is something else. */
  admin?: number
  /** Makes anew what an allowed call uses up or changes, before each call; ids that it returns take the old ones' place. */
  renew?: (made: Made) => Promise<Partial<Ids> | undefined>
}

/** The address of a route with these ids for its parameters. */
export function addressOf(template: string, ids: Ids): string {
  return template
    .split('/')
    .map((part, index, parts) => {
      if (!part.startsWith('{')) return part
      const resource = resources[parts.slice(0, index + 1).join('/')]
      if (resource === undefined) throw new Error(`Nothing says what ${part} of ${template} stands for`)
      return ids[resource]
    })
    .join('/')
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Ids of the same form that nothing has. */
export function unknownIds(ids: Ids): Ids {
  const unknown = Object.entries(ids).map(([name, id]) => [
    name,
    uuid.test(id) ? '01890000-0000-7000-8000-000000000000' : '999999999',
  ])
  return Object.fromEntries(unknown) as Ids
}
