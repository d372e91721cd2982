import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { afterAll } from '../support/after-all.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { adminToken, startTestSystem, type TestConnection, type TestSystem } from '../support/test-system.ts'

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
})
