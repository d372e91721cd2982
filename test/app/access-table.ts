import type { ConnectionStatus } from '../../src/platform/db/tables.ts'
import { sandboxAccount } from '../support/test-system.ts'
import { type Access, type Made, manager, owner, person, reader, writer } from './access-rule.ts'

const nobodyElse = [] as const

/**
 * The roles that may call each route. A route without an entry fails the test. Its
 * parameters are filled in by `addressOf`.
 */
export const accessTable: Record<string, Access> = {
  'GET /healthz': { roles: 'public', allowed: 200 },
  'GET /readyz': { roles: 'public', allowed: 200 },
  'GET /metrics': { roles: 'public', allowed: 200 },
  'GET /webhooks/hostaway': { roles: 'public', allowed: 200 },
  'GET /webhooks/hostaway/{connectionId}': { roles: 'public', allowed: 200 },
  'POST /webhooks/hostaway': { roles: 'public', body: () => ({ data: 'test' }), allowed: 200 },
  'POST /webhooks/hostaway/{connectionId}': { roles: 'public', body: () => ({ data: 'test' }), allowed: 200 },

  'GET /v1/tenants': { roles: nobodyElse, allowed: 200 },
  'POST /v1/tenants': { roles: nobodyElse, body: () => ({ slug: 'ours', name: 'Ours' }), allowed: 409 },
  'GET /v1/audit': { roles: owner, allowed: 200, foreign: 'own' },
  'GET /v1/tokens': { roles: owner, allowed: 200, foreign: 'own' },
  'POST /v1/tokens': {
    roles: owner,
    body: () => ({ tenant: 'ours', role: 'viewer', name: 'made by the test' }),
    allowed: 201,
  },
  'DELETE /v1/tokens/{id}': {
    roles: owner,
    allowed: 204,
    renew: async ({ system }) => {
      const token = { tenant: 'ours', role: 'viewer', name: 'to revoke' }
      return { token: (await system.api<{ id: string }>('POST', '/v1/tokens', token)).body.id }
    },
  },

  'GET /v1/connections': { roles: reader, allowed: 200, foreign: 'own' },
  'POST /v1/connections': {
    roles: owner,
    body: () => ({ tenant: 'ours', channel: 'hostaway', ...sandboxAccount }),
    allowed: 200,
  },
  'GET /v1/connections/{id}': { roles: reader, allowed: 200 },
  'PATCH /v1/connections/{id}': {
    roles: owner,
    body: () => ({ autoImport: true }),
    allowed: 200,
    renew: connected,
  },
  'POST /v1/connections/{id}/pause': { roles: owner, allowed: 200, renew: connected },
  'POST /v1/connections/{id}/resume': { roles: owner, allowed: 200, renew: connected },
  'POST /v1/connections/{id}/verify': { roles: manager, allowed: 200, renew: connected },
  'POST /v1/connections/{id}/rotate-webhook-credentials': { roles: owner, allowed: 409, renew: disconnected },
  'DELETE /v1/connections/{id}': { roles: owner, allowed: 200, renew: disconnected },
  'GET /v1/connections/{id}/listings': { roles: reader, allowed: 200 },
  'GET /v1/connections/{id}/mapping': { roles: person, allowed: 200 },
  'PUT /v1/connections/{id}/mapping': { roles: manager, body: () => ({ spec: {} }), allowed: 200 },
  'GET /v1/connections/{id}/mapping/versions': { roles: person, allowed: 200 },
  'GET /v1/connections/{id}/mapping/versions/{version}': { roles: person, allowed: 200 },
  'POST /v1/connections/{id}/mapping/preview': { roles: manager, body: () => ({ last: 1 }), allowed: 200 },
  'POST /v1/connections/{id}/mapping/remap': { roles: manager, allowed: 202 },
  'GET /v1/connections/{id}/mapping/remaps': { roles: person, allowed: 200 },
  'GET /v1/connections/{id}/mapping/remaps/{remapId}': { roles: person, allowed: 200 },
  'POST /v1/connections/{id}/mapping/remaps/{remapId}/cancel': { roles: manager, allowed: 200 },
  'PUT /v1/connections/{id}/listings/{listingId}': {
    roles: manager,
    body: ({ unit }) => ({ unitId: unit }),
    allowed: 200,
  },
  'PUT /v1/connections/{id}/listings': {
    roles: manager,
    body: ({ unit, listing }) => [{ listingId: listing, unitId: unit }],
    allowed: 200,
  },
  'GET /v1/units': { roles: reader, allowed: 200, foreign: 'own', admin: 422 },
  'GET /v1/connections/{id}/sync': { roles: reader, allowed: 200 },
  'POST /v1/connections/{id}/full-sync': { roles: manager, allowed: 202, renew: connected },
  'POST /v1/connections/{id}/import': { roles: manager, allowed: 202, renew: connected },
  'GET /v1/connections/{id}/imports': { roles: person, allowed: 200 },
  'GET /v1/connections/{id}/imports/{importId}': { roles: person, allowed: 200 },
  'POST /v1/connections/{id}/imports/{importId}/cancel': { roles: manager, allowed: 200 },
  'POST /v1/events': {
    roles: writer,
    body: ({ unit }) => ({
      type: 'availability.updated',
      unitId: unit,
      ranges: [{ from: '2027-09-01', to: '2027-09-02', available: false }],
    }),
    allowed: 202,
    foreign: 422,
    admin: 422,
    renew: connected,
  },

  'GET /v1/events': { roles: reader, allowed: 200, foreign: 'own' },
  'GET /v1/events/{id}': { roles: reader, allowed: 200 },
  'GET /v1/bookings': { roles: reader, allowed: 200, foreign: 'own' },
  'GET /v1/bookings/{id}': { roles: reader, allowed: 200 },
  'POST /v1/bookings': {
    roles: writer,
    body: () => ({ unitId: 'nowhere' }),
    allowed: 422,
    foreign: 422,
  },
  'PATCH /v1/bookings/{id}': {
    roles: writer,
    body: () => ({ colour: 'blue' }),
    allowed: 422,
  },
  // It came from a travel agency.
  'POST /v1/bookings/{id}/cancel': { roles: writer, allowed: 409 },
  'GET /v1/conflicts': { roles: reader, allowed: 200, foreign: 'own', admin: 422 },
  'GET /v1/calendar': { roles: reader, allowed: 200, foreign: 'own', admin: 422 },
  'GET /v1/units/{unitId}/calendar': { roles: reader, allowed: 200, admin: 422 },
  'GET /v1/booking-queue': { roles: person, allowed: 200, foreign: 'own' },
  'GET /v1/booking-queue/{id}': { roles: person, allowed: 200 },
  // What its reservation lacks is still missing.
  'POST /v1/booking-queue/{id}/import': { roles: manager, allowed: 422 },
  'POST /v1/booking-queue/{id}/reject': {
    roles: manager,
    body: () => ({ reason: 'not ours' }),
    allowed: 200,
  },
  'GET /v1/feed': { roles: reader, allowed: 200, foreign: 'own' },

  'GET /v1/webhooks': { roles: person, allowed: 200, foreign: 'own' },
  'GET /v1/webhooks/{id}': { roles: person, allowed: 200 },
  'POST /v1/webhooks/{id}/replay': { roles: manager, allowed: 202 },
  'GET /v1/dead-letters': { roles: person, allowed: 200, foreign: 'own' },
  'GET /v1/dead-letters/{id}': { roles: person, allowed: 200 },
  'POST /v1/dead-letters/replay': {
    roles: manager,
    body: ({ webhook }) => ({ connection: webhook }),
    allowed: 202,
    foreign: 202,
  },
  'POST /v1/dead-letters/{id}/replay': { roles: manager, allowed: 202, renew: reopenDeadLetter },
  'POST /v1/dead-letters/{id}/discard': {
    roles: manager,
    body: () => ({ reason: 'seen' }),
    allowed: 200,
    renew: reopenDeadLetter,
  },
}

async function connected({ system, ids }: Made): Promise<undefined> {
  return putConnection(system, ids, 'active')
}

async function disconnected({ system, ids }: Made): Promise<undefined> {
  return putConnection(system, ids, 'disconnected')
}

async function putConnection(
  { db }: Made['system'],
  { connection }: Made['ids'],
  status: ConnectionStatus,
): Promise<undefined> {
  await db.updateTable('hostaway_connections').set({ status }).where('id', '=', connection).execute()
}

async function reopenDeadLetter({ system, ids }: Made): Promise<undefined> {
  await system.db
    .updateTable('dead_letter_queue')
    .set({ status: 'open' })
    .where('id', '=', ids.deadLetter)
    .execute()
}
