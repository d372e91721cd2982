import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { afterAll } from '../support/after-all.ts'
import { assertProblem, type ProblemBody, withoutRequestId } from '../support/assert-problem.ts'
import { eventually } from '../support/eventually.ts'
import { reservationBody } from '../support/reservation-bodies.ts'
import {
  sandboxAccount,
  startTestSystem,
  type TestConnection,
  type TestSystem,
} from '../support/test-system.ts'
import {
  type Access,
  addressOf,
  type Ids,
  person,
  type TenantRole,
  tenantRoles,
  unknownIds,
} from './access-rule.ts'
import { accessTable } from './access-table.ts'
import { rowsOfTenant } from './tenant-rows.ts'

type Operation = { security?: object[]; parameters?: Array<{ name: string; in: string }> }
type OpenApi = { paths: Record<string, Record<string, Operation>> }
type ListAnswer = { data?: Array<{ tenant?: string }> }

describe('access to every route', () => {
  const context = afterAll()
  let system: TestSystem
  let connection: TestConnection
  let ids: Ids
  let document: OpenApi
  const tokens = { ours: {} as Record<TenantRole, string>, theirs: {} as Record<TenantRole, string> }

  before(async () => {
    system = await startTestSystem(context)
    document = (await system.api<OpenApi>('GET', '/openapi.json', undefined, null)).body
    await system.control.addListing(sandboxAccount.accountId, { id: 8_001, name: 'Quay Flat' })
    connection = await system.connect({ tenant: 'ours' })
    await system.api('POST', '/v1/tenants', { slug: 'theirs', name: 'Theirs' })
    for (const tenant of ['ours', 'theirs'] as const) {
      for (const role of tenantRoles) tokens[tenant][role] = (await makeToken(tenant, role)).token
    }
    ids = await makeOneOfEach()
    // What is replayed or re-opened from here on stays as the request left it.
    await system.stopWorkers()
  })

  async function makeToken(tenant: string, role: TenantRole) {
    const request = { tenant, role, name: role }
    return (await system.api<{ id: string; token: string }>('POST', '/v1/tokens', request)).body
  }

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
    const remap = await system.api<{ id: string }>('POST', `/v1/connections/${connection.id}/mapping/remap`)
    const firstEvent = async () => {
      await eventually(() => firstOf(`/v1/connections/${connection.id}/listings`))
      const { body } = await system.api<{ ids: string[] }>('POST', '/v1/events?tenant=ours', {
        type: 'availability.updated',
        unitId: 'hostaway-8001',
        ranges: [{ from: '2027-09-01', to: '2027-09-02', available: false }],
      })
      return body.ids[0]
    }
    // A number that stands nowhere else in an answer.
    const mappingVersion = '424242'
    const { tenant_id } = await system.db
      .selectFrom('hostaway_connections')
      .select('tenant_id')
      .executeTakeFirstOrThrow()
    await system.db
      .insertInto('mapping_specs')
      .values({ connection_id: connection.id, tenant_id, version: Number(mappingVersion), spec: '{}' })
      .execute()
    return {
      connection: connection.id,
      mappingVersion,
      remap: remap.body.id,
      listing: '8001',
      unit: 'hostaway-8001',
      token: (await makeToken('ours', 'viewer')).id,
      webhook: received.webhookId,
      booking: await eventually(() => firstOf('/v1/bookings')),
      queued: await eventually(() => firstOf('/v1/booking-queue')),
      deadLetter: await eventually(() => firstOf('/v1/dead-letters?status=open')),
      import: await firstOf(`/v1/connections/${connection.id}/imports`),
      event: (await firstEvent()) ?? '',
    }
  }

  const routes = Object.entries(accessTable)
  const protectedRoutes = routes.filter(([, { roles }]) => roles !== 'public')
  const may = ({ roles }: Access, role: TenantRole) => roles !== 'public' && roles.includes(role)

  function send(route: string, token: string | null | undefined, about = ids) {
    const [method = '', template = ''] = route.split(' ')
    return system.api(method, addressOf(template, about), accessTable[route]?.body?.(about), token)
  }

  /** Makes what the request uses up. */
  async function renew(route: string): Promise<void> {
    ids = { ...ids, ...(await accessTable[route]?.renew?.({ system, connection, ids })) }
  }

  async function sendAnew(route: string, token?: string) {
    await renew(route)
    return send(route, token)
  }

  function operationOf(route: string): Operation {
    const [method = '', template = ''] = route.split(' ')
    return document.paths[template]?.[method.toLowerCase()] ?? {}
  }

  /** The protected routes that take this query parameter. */
  function routesWithQuery(name: string): string[] {
    return protectedRoutes.flatMap(([route]) =>
      operationOf(route).parameters?.some((one) => one.in === 'query' && one.name === name) ? [route] : [],
    )
  }

  it('access to every route is decided in the table for every route there is, and for no other', () => {
    const mounted = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    assert.deepEqual(mounted.sort(), Object.keys(accessTable).sort())
  })

  it('access to every route is proven by answers that cannot be mistaken for a refusal', () => {
    for (const [route, { allowed }] of routes) {
      assert.ok(allowed < 500 && ![401, 403, 404].includes(allowed), `${route}: ${allowed}`)
    }
  })

  it('each route is documented as needing a token exactly where it does', () => {
    for (const [route, { roles }] of routes) {
      const { security = [] } = operationOf(route)
      const needsToken = security.some((scheme) => 'token' in scheme)
      assert.equal(needsToken, roles !== 'public', route)
    }
  })

  it('needs no token where the table says public', async () => {
    for (const [route, { roles, allowed }] of routes) {
      if (roles === 'public') assert.equal((await send(route, null)).status, allowed, route)
    }
  })

  it('access to every route is refused with 401 without a token, with an unknown one and with a revoked one', async () => {
    const revoked = await makeToken('ours', 'owner')
    await system.api('DELETE', `/v1/tokens/${revoked.id}`)
    for (const [route] of protectedRoutes) {
      for (const token of [null, 'tvl_unknown', revoked.token]) {
        const answer = await send(route, token)
        assert.equal(answer.status, 401, `${route} with ${token === null ? 'no token' : 'a bad token'}`)
        assert.equal((answer.body as { code?: string }).code, 'UNAUTHENTICATED')
        assert.equal(answer.headers.get('www-authenticate'), 'Bearer')
      }
    }
  })

  for (const role of tenantRoles) {
    it(`access is given to ${role} where the table says so and is 403 elsewhere`, async () => {
      for (const [route, access] of protectedRoutes) {
        if (may(access, role)) {
          const answer = await sendAnew(route, tokens.ours[role])
          assert.equal(answer.status, access.allowed, `${route} as ${role}: ${answer.text}`)
        } else {
          const answer = await send(route, tokens.ours[role])
          assert.equal(answer.status, 403, `${route} as ${role}: ${answer.text}`)
          assert.equal((answer.body as { code?: string }).code, 'FORBIDDEN')
        }
      }
    })
  }

  it('access is given to admin everywhere, who must name a tenant where an id is unique per tenant only', async () => {
    for (const [route, { allowed, admin }] of protectedRoutes) {
      const answer = await sendAnew(route)
      assert.equal(answer.status, admin ?? allowed, `${route}: ${answer.text}`)
      if (admin === 422) assert.equal((answer.body as { code?: string }).code, 'TENANT_REQUIRED', route)
    }
    const named = await system.api('GET', '/v1/units/hostaway-8001/calendar?tenant=ours')
    assert.equal(named.status, 200)
    for (const [path, body] of [
      ['/v1/tokens', { role: 'viewer', name: 'without a tenant' }],
      ['/v1/connections', { channel: 'hostaway', ...sandboxAccount }],
    ] as const) {
      const answer = await system.api<{ code: string }>('POST', path, body)
      assert.deepEqual([answer.status, answer.body.code], [422, 'TENANT_REQUIRED'], path)
    }
  })

  for (const role of tenantRoles) {
    it(`access to another tenant’s resources is 404 for a ${role} where it is not 403, and lists show one’s own rows`, async () => {
      for (const [route, access] of protectedRoutes) {
        const { foreign = 404 } = access
        if (!may(access, role)) {
          assert.equal((await send(route, tokens.theirs[role])).status, 403, `${route} as their ${role}`)
          continue
        }
        const answer = await sendAnew(route, tokens.theirs[role])
        const expected = foreign === 'own' ? 200 : foreign
        assert.equal(answer.status, expected, `${route} as their ${role}: ${answer.text}`)
        if (foreign !== 'own') continue
        // Nothing was made for the other tenant but its tokens.
        const { data } = answer.body as ListAnswer
        assert.ok(
          data?.every(({ tenant }) => tenant === 'theirs'),
          `${route} as ${role}: ${answer.text}`,
        )
      }
    })
  }

  it('access to another tenant’s resource is refused in the words for one that does not exist', async () => {
    const said = (text: string, about: Ids) =>
      // The longest first: an id may be a part of another.
      Object.values(about)
        .toSorted((left, right) => right.length - left.length)
        .reduce((rest, id) => rest.replaceAll(id, '…'), withoutRequestId(text))
    for (const [route, { foreign = 404 }] of protectedRoutes) {
      if (foreign !== 404 || !route.includes('{')) continue
      const theirs = await sendAnew(route, tokens.theirs.owner)
      const unknown = unknownIds(ids)
      const nobodys = await send(route, tokens.theirs.owner, unknown)
      assert.equal(said(theirs.text, ids), said(nobodys.text, unknown), route)
    }
  })

  it('access to another tenant’s resources changes no row of that tenant', async () => {
    for (const [route, access] of protectedRoutes) {
      if (route.startsWith('GET ') || access.roles.length === 0) continue
      await renew(route)
      const before = await rowsOfTenant(system.db, 'ours')
      await send(route, tokens.theirs.owner)
      assert.deepEqual(await rowsOfTenant(system.db, 'ours'), before, route)
    }
  })

  it('a query that names another tenant, or a connection of one, finds nothing', async () => {
    const byTenant = routesWithQuery('tenant')
    assert.ok(byTenant.length > 0)
    for (const route of byTenant) {
      const [method = '', template = ''] = route.split(' ')
      const path = `${addressOf(template, ids)}?tenant=ours`
      const answer = await system.api(method, path, accessTable[route]?.body?.(ids), tokens.theirs.owner)
      assert.equal(answer.status, 404, `${route}: ${answer.text}`)
    }
    const byConnection = routesWithQuery('connection')
    assert.ok(byConnection.length >= 4)
    for (const route of byConnection) {
      const path = `${addressOf(route.replace('GET ', ''), ids)}?connection=${ids.connection}`
      const theirs = await system.api<ListAnswer>('GET', path, undefined, tokens.theirs.owner)
      assert.deepEqual(theirs.body.data, [], route)
      const ours = await system.api<ListAnswer>('GET', path, undefined, tokens.ours.owner)
      // No two of these stays are in each other's way.
      if (route !== 'GET /v1/conflicts') assert.notDeepEqual(ours.body.data, [], route)
    }
  })

  it('an owner makes tokens of its own tenant only, and never an admin’s', async () => {
    const make = (body: unknown, token: string | undefined) => system.api('POST', '/v1/tokens', body, token)
    const own = await make({ role: 'service', name: 'own tenant by default' }, tokens.ours.owner)
    assert.equal(own.status, 201)
    const admin = await make({ role: 'admin', name: 'too much' }, tokens.ours.owner)
    assert.equal(admin.status, 403)
    const confused = await system.api<ProblemBody>('POST', '/v1/tokens', {
      tenant: 'ours',
      role: 'admin',
      name: 'of all or of one',
    })
    assert.deepEqual(
      assertProblem(confused, 422, 'VALIDATION_FAILED').errors?.map(({ field }) => field),
      ['tenant'],
    )
    const foreign = await make({ tenant: 'ours', role: 'viewer', name: 'foreign' }, tokens.theirs.owner)
    assert.equal(foreign.status, 404)
  })

  it('stored bodies are shown to managers and above, not to viewers', async () => {
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

  it('access is checked for HEAD as for GET', async () => {
    const head = (token: string | null) => system.api('HEAD', '/v1/bookings', undefined, token)
    assert.equal((await head(null)).status, 401)
    assert.equal((await head(tokens.ours.viewer ?? null)).status, 200)
  })
})
