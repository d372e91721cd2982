import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { before, describe, it } from 'node:test'
import { afterAll } from '../support/after-all.ts'
import { assertProblem } from '../support/assert-problem.ts'
import {
  adminToken,
  sandboxAccount,
  startTestSystem,
  type TestConnection,
  type TestSystem,
} from '../support/test-system.ts'

const unknownId = '01890000-0000-7000-8000-000000000000'

describe('the rules of HTTP that hold for every route', () => {
  const context = afterAll()
  let system: TestSystem
  let connection: TestConnection

  before(async () => {
    system = await startTestSystem(context, { workers: false })
    connection = await system.connect()
  })

  function send(method: string, path: string, headers: Record<string, string> = {}, body?: string) {
    return fetch(`${system.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, ...headers },
      ...(body === undefined ? {} : { body }),
    })
  }

  async function problemOf(response: Response, status: number, code: string) {
    const text = await response.text()
    const body = JSON.parse(text === '' ? '{}' : text)
    return assertProblem({ status: response.status, headers: response.headers, body, text }, status, code)
  }

  it('a query parameter that the route does not know is refused by its name', async () => {
    const wrong = [
      ['/v1/bookings?unitid=x', 'unitid'],
      ['/v1/bookings?connection[]=x', 'connection[]'],
      ['/v1/booking-queue?externalid=1', 'externalid'],
      ['/v1/dead-letters?unit=1', 'unit'],
      ['/v1/feed?type=booking.conflict', 'type'],
      [`/v1/connections/${connection.id}?x=1`, 'x'],
    ]
    for (const [path = '', name] of wrong) {
      const { errors = [] } = await problemOf(await send('GET', path), 422, 'VALIDATION_FAILED')
      assert.deepEqual(errors, [{ field: name, message: 'is no parameter of this request' }], path)
    }
  })

  it('a query parameter given twice, and one beside a wrong body, are refused', async () => {
    for (const [method, path, body] of [
      ['GET', '/v1/bookings?unitId=a&unitId=b', undefined],
      ['POST', '/v1/events?tenant=a&tenant=b', '{"type":"x"}'],
      ['POST', '/v1/bookings?tenant=a&tenant=b', '{}'],
    ] as const) {
      const json = { 'content-type': 'application/json' }
      await problemOf(
        await send(method, path, body === undefined ? {} : json, body),
        422,
        'VALIDATION_FAILED',
      )
    }
  })

  it('a range that ends before it begins is refused by its end', async () => {
    for (const path of [
      '/v1/bookings?from=2030-02-02&to=2030-02-01',
      '/v1/units/x/calendar?tenant=demo&from=2030-02-02&to=2030-02-01',
    ]) {
      const { errors = [] } = await problemOf(await send('GET', path), 422, 'VALIDATION_FAILED')
      assert.deepEqual(
        errors.map(({ field }) => field),
        ['to'],
      )
    }
  })

  it('an empty body is no body, whatever its content type says', async () => {
    for (const type of [
      'application/json',
      'application/json; charset=utf-8',
      'application/vnd.api+json',
      'application/x-www-form-urlencoded',
    ]) {
      for (const action of ['pause', 'resume', 'verify', 'full-sync', 'import']) {
        const { status } = await send(
          'POST',
          `/v1/connections/${connection.id}/${action}`,
          { 'content-type': type },
          '',
        )
        assert.ok([200, 202].includes(status), `${action} ${type}: ${status}`)
      }
    }
    const json = { 'content-type': 'application/json' }
    await problemOf(await send('DELETE', `/v1/tokens/${unknownId}`, json, ''), 404, 'NOT_FOUND')
    await problemOf(await send('POST', '/v1/tenants', json, ''), 422, 'VALIDATION_FAILED')
  })

  it('JSON is taken under every name it has', async () => {
    for (const [at, type] of [
      'text/json',
      'application/json;charset=UTF-8',
      'application/hal+json',
    ].entries()) {
      const body = JSON.stringify({ slug: `json-${at}`, name: type })
      const { status } = await send('POST', '/v1/tenants', { 'content-type': type }, body)
      assert.equal(status, 201, type)
    }
  })

  it('a body that is nested too deeply is refused, and brackets within a text do not count', async () => {
    const json = { 'content-type': 'application/json' }
    const nested = `{"slug":"a","name":${'['.repeat(20_000)}${']'.repeat(20_000)}}`
    const { errors = [] } = await problemOf(
      await send('POST', '/v1/tenants', json, nested),
      422,
      'VALIDATION_FAILED',
    )
    assert.deepEqual(
      errors.map(({ field }) => field),
      ['body'],
    )
    const text = JSON.stringify({ slug: 'brackets', name: `${'['.repeat(90)}\\"${'{'.repeat(90)}` })
    assert.equal((await send('POST', '/v1/tenants', json, text)).status, 201)
  })

  it('what is wrong with a huge body is said in a small answer that names what decided', async () => {
    const json = { 'content-type': 'application/json' }
    const ranges = Array.from({ length: 1_400 }, () => ({}))
    const events = Array.from({ length: 900 }, () => ({ type: 'availability.updated', unitId: 'u', ranges }))
    const names = Object.fromEntries(Array.from({ length: 200_000 }, (_, at) => [`n${at}`, 1]))
    for (const [path, body, field] of [
      ['/v1/events?tenant=demo', events, '0.ranges.0.from'],
      ['/v1/events?tenant=demo', { type: 'listing.updated', unitId: 'u', changes: names }, 'changes.n0'],
      ['/v1/tokens', { ...names, role: 'viewer', name: 'x', tenant: 'demo' }, 'n0'],
    ] as const) {
      const answer = await send('POST', path, json, JSON.stringify(body))
      const problem = await problemOf(answer, 422, 'VALIDATION_FAILED')
      assert.ok(
        (problem.errors ?? []).some((one) => one.field === field),
        JSON.stringify(problem).slice(0, 300),
      )
      assert.ok((problem.errors ?? []).length <= 100)
    }
  })

  it('a request keeps its id in the answer, the problem and every line that is logged for it', async () => {
    const named = await send('GET', '/v1/bookings/nothing', { 'x-request-id': 'trip-7' })
    assert.equal(named.headers.get('x-request-id'), 'trip-7')
    const problem = await problemOf(named, 404, 'NOT_FOUND')
    assert.equal(problem.requestId, 'trip-7')
    for (const unusable of ['a b', 'x'.repeat(257)]) {
      const given = await send('GET', '/v1/bookings', { 'x-request-id': unusable })
      assert.match(given.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/)
    }
    const body = { tenant: 'demo', channel: 'hostaway', ...sandboxAccount }
    const headers = { 'content-type': 'application/json', 'x-request-id': 'connect-7' }
    assert.equal((await send('POST', '/v1/connections', headers, JSON.stringify(body))).status, 200)
    const lines = system.logged.map((line) => JSON.parse(line) as { requestId?: string; msg: string })
    const connected = lines.filter(({ msg }) => msg === 'connection.connected')
    assert.deepEqual(connected.map(({ requestId }) => requestId).slice(-1), ['connect-7'])
    assert.ok(system.logged.every((line) => line.split('"requestId"').length <= 2))
  })

  it('an address that has other methods says which', async () => {
    for (const [method, path, allow] of [
      ['DELETE', '/v1/bookings', 'GET, HEAD, POST'],
      ['HEAD', `/v1/connections/${connection.id}/pause`, 'POST'],
      ['PUT', '/webhooks/hostaway', 'GET, HEAD, POST'],
      ['OPTIONS', '/v1/feed', 'GET, HEAD'],
    ] as const) {
      const answer = await send(method, path)
      assert.deepEqual([answer.status, answer.headers.get('allow')], [405, allow], `${method} ${path}`)
    }
    assert.equal((await send('GET', '/v1/nothing-here')).status, 404)
  })

  it('what was created has an address', async () => {
    const json = { 'content-type': 'application/json' }
    const tenant = await send('POST', '/v1/tenants', json, '{"slug":"placed","name":"Placed"}')
    assert.equal(tenant.headers.get('location'), '/v1/tenants/placed')
    const token = await send('POST', '/v1/tokens', json, '{"tenant":"placed","role":"viewer","name":"x"}')
    const { id } = (await token.json()) as { id: string }
    assert.equal(token.headers.get('location'), `/v1/tokens/${id}`)
  })

  it('the root leads people and programs to the rest', async () => {
    const page = await send('GET', '/', { accept: 'text/html,*/*' })
    assert.match(await page.text(), /href="\/docs"/)
    const links = (await (await send('GET', '/')).json()) as Record<string, string>
    for (const path of [links.docs, links.openapi, links.health]) {
      assert.equal((await send('GET', path ?? '')).status, 200, path)
    }
  })

  it('an answer is compressed where that is worth it and kept out of caches and frames', async () => {
    for (let at = 0; at < 8; at += 1) {
      const body = JSON.stringify({ slug: `long-${at}`, name: 'n'.repeat(180) })
      await send('POST', '/v1/tenants', { 'content-type': 'application/json' }, body)
    }
    for (const encoding of ['br', 'gzip']) {
      const list = await send('GET', '/v1/tenants', { 'accept-encoding': encoding })
      assert.equal(list.headers.get('content-encoding'), encoding)
      assert.equal(((await list.json()) as { data: unknown[] }).data.length > 8, true)
    }
    const { headers } = await send('GET', '/v1/tenants', { 'accept-encoding': 'identity' })
    assert.equal(headers.get('content-encoding'), null)
    assert.equal(headers.get('cache-control'), 'no-store')
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
    for (const path of ['/docs/', '/v1/tenants']) {
      const policy = (await send('GET', path)).headers.get('content-security-policy') ?? ''
      assert.match(policy, /frame-ancestors 'none'/, path)
    }
  })

  it('a token is the whole of its header', async () => {
    for (const authorization of [
      `Bearer ${adminToken} more`,
      `Bearer  ${adminToken}`,
      `Basic ${adminToken}`,
    ]) {
      await problemOf(await send('GET', '/v1/tenants', { authorization }), 401, 'UNAUTHENTICATED')
    }
    assert.equal((await send('GET', '/v1/tenants', { authorization: `bearer ${adminToken}` })).status, 200)
  })

  it('a cursor is taken by the list that gave it, with the filters it was given for', async () => {
    type Page = { data: unknown[]; nextCursor: string }
    const first = (await (await send('GET', '/v1/tenants?limit=1')).json()) as Page
    const next = await send('GET', `/v1/tenants?limit=2&cursor=${first.nextCursor}`)
    assert.equal(((await next.json()) as Page).data.length, 2)
    const listings = `/v1/connections/${connection.id}/listings`
    const { nextCursor } = (await (await send('GET', `${listings}?limit=1`)).json()) as Page
    for (const path of [
      `/v1/bookings?cursor=${first.nextCursor}`,
      `/v1/tenants?cursor=${first.nextCursor.slice(1)}`,
      `/v1/tenants?cursor=${unknownId}`,
      `/v1/tokens?cursor=${first.nextCursor}`,
      `/v1/tenants?cursor=${nextCursor}`,
      '/v1/feed?after=1-1&cursor=2-1',
      '/v1/feed?after=999999999999-1',
    ]) {
      await problemOf(await send('GET', path), 422, 'INVALID_CURSOR')
    }
  })

  it('the description of the API is sent from memory, and not again to who has it', async () => {
    for (const path of ['/openapi.json', '/docs/json']) {
      const first = await send('GET', path)
      const etag = first.headers.get('etag') ?? ''
      assert.equal(((await first.json()) as { openapi: string }).openapi, '3.1.0')
      assert.equal((await send('GET', path, { 'if-none-match': etag })).status, 304)
    }
  })

  it('requests that are sent before the last answer end their connection, and others go on', async () => {
    const { hostname, port } = new URL(system.url)
    const socket = connect(Number(port), hostname)
    const request = 'GET /v1/nothing HTTP/1.1\r\nhost: any\r\n\r\n'
    socket.write(request.repeat(200))
    const received: Buffer[] = []
    socket.on('data', (chunk) => received.push(chunk)).on('error', () => undefined)
    await once(socket, 'close')
    const answers = Buffer.concat(received).toString().split('HTTP/1.1 ').length - 1
    assert.ok(answers < 3, `${answers} answers`)
    assert.equal((await send('GET', '/v1/tenants')).status, 200)
    const patient = connect(Number(port), hostname)
    for (let at = 0; at < 3; at += 1) {
      patient.write(request)
      const [chunk] = (await once(patient, 'data')) as [Buffer]
      assert.match(chunk.toString(), /^HTTP\/1\.1 404 /)
    }
    patient.destroy()
  })
})
