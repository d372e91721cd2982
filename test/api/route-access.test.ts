import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createApiToken } from '../../src/tenants/api-token-store.ts'
import { eventually } from '../support/eventually.ts'
import { reservationBody } from '../support/reservation-bodies.ts'
import {
  sandboxAccount,
  startTestSystem,
  type TestConnection,
  type TestSystem,
} from '../support/test-system.ts'
import { accessTable, type Ids, person, tenantRoles, unknownId } from './access-table.ts'

type OpenApi = { paths: Record<string, Record<string, { security?: unknown[] }>> }

describe('access to every route', () => {
  const cleanUps: Array<() => Promise<void>> = []
  let system: TestSystem
  let connection: TestConnection
  let ids: Ids
  const tokens = { ours: {} as Record<string, string>, theirs: {} as Record<string, string> }

  before(async () => {
    system = await startTestSystem({ after: (cleanUp) => cleanUps.push(cleanUp) })
    await system.control.addListing(sandboxAccount.accountId, { id: 8_001, name: 'Quay Flat' })
    connection = await system.connect({ tenant: 'ours' })
    await system.api('POST', '/v1/tenants', { slug: 'theirs', name: 'Theirs' })
    for (const tenant of ['ours', 'theirs'] as const) {
      for (const role of tenantRoles) {
        const { body } = await system.api<{ token: string }>('POST', '/v1/tokens', {
          tenant,
          role,
          name: role,
        })
        tokens[tenant][role] = body.token
      }
    }
    ids = await makeOneOfEach()
  })

  after(async () => {
    for (const cleanUp of cleanUps) await cleanUp()
  })

  async function makeOneOfEach(): Promise<Ids> {
    const deliver = (data: unknown) =>
      system.deliver(connection, { event: 'reservation.created', accountId: connection.accountId, data })
    const { body: received } = await deliver(reservationBody())
    await deliver(reservationBody({ id: 700_002, listingMapId: 999_999 }))
    await deliver({ arrivalDate: '2027-03-27' })
    const firstOf = async (path: string) => {
      const { body } = await system.api<{ data: Array<{ id: string }> }>('GET', path)
      const [row] = body.data
      assert.ok(row, `${path} has no row yet`)
      return row.id
    }
    return {
      connection: connection.id,
      token: unknownId,
      webhook: received.webhookId,
      booking: await eventually(() => firstOf('/v1/bookings')),
      queued: await eventually(() => firstOf('/v1/booking-queue')),
      deadLetter: await eventually(() => firstOf('/v1/dead-letters?status=open')),
    }
  }

  async function request(route: string, token: string | null) {
    const access = accessTable[route]
    assert.ok(access)
    const [method = '', path = ''] = route.split(' ')
    // Allowed requests that use something up get their own.
    if (route === 'DELETE /v1/tokens/{id}') ids.token = await freshToken()
    if (route.endsWith('/discard')) {
      await system.db
        .updateTable('dead_letter_queue')
        .set({ status: 'open' })
        .where('id', '=', ids.deadLetter)
        .execute()
    }
    return system.api(method, access.path?.(ids) ?? path, access.body?.(ids), token)
  }

  async function freshToken(): Promise<string> {
    const tenant = await system.db
      .selectFrom('tenants')
      .select('id')
      .where('slug', '=', 'ours')
      .executeTakeFirstOrThrow()
    const made = await createApiToken(system.db, { tenantId: tenant.id, role: 'viewer', name: 'to revoke' })
    return made.id
  }

  const routes = Object.entries(accessTable)
  const protectedRoutes = routes.filter(([, { roles }]) => roles !== 'public')

  it('is decided in the table for every route there is, and for no other', async () => {
    const { body } = await system.api<OpenApi>('GET', '/openapi.json', undefined, null)
    const mounted = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    assert.deepEqual(mounted.sort(), Object.keys(accessTable).sort())
  })

  it('is documented as needing a token exactly where it does', async () => {
    const { body } = await system.api<OpenApi>('GET', '/openapi.json', undefined, null)
    for (const [route, { roles }] of routes) {
      const [method = '', path = ''] = route.split(' ')
      const { security } = body.paths[path]?.[method.toLowerCase()] ?? {}
      assert.equal(security !== undefined, roles !== 'public', route)
    }
  })

  it('needs no token where the table says public', async () => {
    for (const [route, { roles, allowed }] of routes) {
      if (roles === 'public') assert.equal((await request(route, null)).status, allowed, route)
    }
  })

  it('is refused with 401 without a token, with an unknown one and with a revoked one', async () => {
    const revoked = await system.api<{ id: string; token: string }>('POST', '/v1/tokens', {
      tenant: 'ours',
      role: 'owner',
      name: 'soon revoked',
    })
    await system.api('DELETE', `/v1/tokens/${revoked.body.id}`)
    for (const [route] of protectedRoutes) {
      for (const token of [null, 'tvl_unknown', revoked.body.token]) {
        const answer = await request(route, token)
        assert.equal(answer.status, 401, `${route} with ${token === null ? 'no token' : 'a bad token'}`)
        assert.equal((answer.body as { code?: string }).code, 'UNAUTHENTICATED')
        assert.equal(answer.headers.get('www-authenticate'), 'Bearer')
      }
    }
  })

  for (const role of tenantRoles) {
    it(`is given to ${role} where the table says so and is 403 elsewhere`, async () => {
      for (const [route, { roles, allowed }] of protectedRoutes) {
        const answer = await request(route, tokens.ours[role] ?? null)
        const may = roles !== 'public' && roles.includes(role)
        assert.equal(answer.status, may ? allowed : 403, `${route} as ${role}: ${answer.text}`)
        if (!may) assert.equal((answer.body as { code?: string }).code, 'FORBIDDEN')
      }
    })
  }

  it('is given to admin everywhere, who must name a tenant where an id is unique per tenant only', async () => {
    for (const [route, { allowed, admin }] of protectedRoutes) {
      const answer = await system.api(...adminRequest(route))
      assert.equal(answer.status, admin ?? allowed, `${route}: ${answer.text}`)
      if (admin === 422) assert.equal((answer.body as { code?: string }).code, 'TENANT_REQUIRED', route)
    }
    const named = await system.api('GET', '/v1/units/hostaway-8001/calendar?tenant=ours')
    assert.equal(named.status, 200)
    for (const [path, body] of [
      ['/v1/tokens', { role: 'viewer', name: 'of nobody' }],
      ['/v1/connections', { channel: 'hostaway', ...sandboxAccount }],
    ] as const) {
      const answer = await system.api<{ code: string }>('POST', path, body)
      assert.deepEqual([answer.status, answer.body.code], [422, 'TENANT_REQUIRED'], path)
    }
  })

  function adminRequest(route: string): [string, string, unknown] {
    const access = accessTable[route]
    const [method = '', path = ''] = route.split(' ')
    // What earlier tests used up is gone for admin as well.
    if (route === 'DELETE /v1/tokens/{id}') return ['DELETE', `/v1/tokens/${ids.token}`, undefined]
    return [method, access?.path?.(ids) ?? path, access?.body?.(ids)]
  }

  it('to another tenant’s resources is 404, and lists show one’s own rows only', async () => {
    for (const [route, { roles, foreign = 404 }] of protectedRoutes) {
      for (const role of tenantRoles.filter((name) => roles === 'public' || roles.includes(name))) {
        const answer = await request(route, tokens.theirs[role] ?? null)
        if (foreign === 'own') {
          assert.equal(answer.status, 200, `${route} as ${role}`)
          const { data } = answer.body as { data?: Array<{ tenant?: string }> }
          // Nothing was made for the other tenant but its tokens.
          assert.ok(
            data?.every(({ tenant }) => tenant === 'theirs'),
            `${route} as ${role}: ${answer.text}`,
          )
        } else assert.equal(answer.status, foreign, `${route} as their ${role}: ${answer.text}`)
      }
    }
  })

  it('to another tenant’s dead letter is 404, and it is not replayed', async () => {
    const path = `/v1/dead-letters/${ids.deadLetter}/replay`
    assert.equal((await system.api('POST', path, undefined, tokens.theirs.owner)).status, 404)
    const letters = await system.db.selectFrom('dead_letter_queue').select('status').execute()
    assert.ok(letters.every(({ status }) => status !== 'replayed'))
  })

  it('by a filter that names another tenant’s connection finds nothing', async () => {
    for (const list of ['bookings', 'booking-queue', 'webhooks', 'dead-letters']) {
      const path = `/v1/${list}?connection=${ids.connection}`
      const theirs = await system.api<{ data: unknown[] }>('GET', path, undefined, tokens.theirs.owner)
      assert.deepEqual(theirs.body.data, [], list)
      const ours = await system.api<{ data: unknown[] }>('GET', path, undefined, tokens.ours.owner)
      assert.notDeepEqual(ours.body.data, [], list)
    }
  })

  it('lets an owner make tokens of its own tenant only, and never an admin’s', async () => {
    const make = (body: unknown, token: string | undefined) => system.api('POST', '/v1/tokens', body, token)
    const own = await make({ role: 'service', name: 'own tenant by default' }, tokens.ours.owner)
    assert.equal(own.status, 201)
    const admin = await make({ role: 'admin', name: 'too much' }, tokens.ours.owner)
    assert.equal(admin.status, 403)
    const foreign = await make({ tenant: 'ours', role: 'viewer', name: 'foreign' }, tokens.theirs.owner)
    assert.equal(foreign.status, 404)
  })

  it('shows stored bodies to managers and above, not to viewers', async () => {
    for (const [path, field] of [
      [`/v1/webhooks/${ids.webhook}`, 'body'],
      [`/v1/booking-queue/${ids.queued}`, 'source'],
    ] as const) {
      for (const role of person) {
        const { body } = await system.api<Record<string, unknown>>('GET', path, undefined, tokens.ours[role])
        assert.equal(field in body, role !== 'viewer', `${path} as ${role}`)
      }
    }
  })

  it('is checked for HEAD as for GET', async () => {
    const head = (token: string | null) => system.api('HEAD', '/v1/bookings', undefined, token)
    assert.equal((await head(null)).status, 401)
    assert.equal((await head(tokens.ours.viewer ?? null)).status, 200)
  })
})
