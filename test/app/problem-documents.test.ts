import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, describe, it } from 'node:test'
import { sql } from 'kysely'
import { afterAll } from '../support/after-all.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { adminToken, startTestSystem, type TestSystem } from '../support/test-system.ts'

const unknownId = '01890000-0000-7000-8000-000000000000'

describe('every refusal is a problem document', () => {
  const context = afterAll()
  let system: TestSystem

  before(async () => {
    system = await startTestSystem(context, { workers: false })
    await system.connect()
  })

  /** Sends exactly these bytes, with the admin's token. */
  async function send(
    method: string,
    path: string,
    body: string | undefined,
    contentType?: string,
    more: Record<string, string> = {},
  ) {
    const response = await fetch(`${system.url}${path}`, {
      method,
      headers: {
        ...more,
        authorization: `Bearer ${adminToken}`,
        ...(contentType === undefined ? {} : { 'content-type': contentType }),
      },
      ...(body === undefined ? {} : { body }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: JSON.parse(text) as unknown }
  }

  const unknownRoutes = [
    ['GET', '/nowhere', 404, 'NOT_FOUND'],
    ['GET', '/v1', 404, 'NOT_FOUND'],
    ['GET', '/v1/nowhere', 404, 'NOT_FOUND'],
    ['POST', '/healthz', 405, 'METHOD_NOT_ALLOWED'],
    ['PUT', '/v1/tenants', 405, 'METHOD_NOT_ALLOWED'],
    ['PATCH', '/webhooks/hostaway', 405, 'METHOD_NOT_ALLOWED'],
    ['DELETE', '/v1/bookings', 405, 'METHOD_NOT_ALLOWED'],
  ] as const
  for (const [method, path, status, code] of unknownRoutes) {
    it(`${status}: ${method} ${path}, which is no route`, async () => {
      const answer = await system.api(method, `${path}?token=not-to-be-repeated`)
      const problem = assertProblem(answer, status, code)
      assert.equal(problem.instance, path)
      assert.doesNotMatch(answer.text, /not-to-be-repeated/)
    })
  }

  const unknownThings = [
    '/v1/connections/:id',
    '/v1/connections/:id/listings',
    '/v1/bookings/:id',
    '/v1/booking-queue/:id',
    '/v1/webhooks/:id',
    '/v1/dead-letters/:id',
  ]
  for (const path of unknownThings) {
    it(`404: ${path} with an id that nothing has, and with one that is no id`, async () => {
      for (const id of [
        unknownId,
        'no-uuid',
        "'; drop table bookings",
        '%00',
        'a'.repeat(100),
        'a'.repeat(9_000),
      ]) {
        assertProblem(
          await system.api('GET', path.replace(':id', encodeURI(id).replace('%2500', '%00'))),
          404,
          'NOT_FOUND',
        )
      }
    })
  }

  it('400: an address that cannot be decoded', async () => {
    const answer = await system.api('GET', '/v1/bookings/%zz?token=not-to-be-repeated')
    assertProblem(answer, 400, 'BAD_REQUEST')
    assert.doesNotMatch(answer.text, /not-to-be-repeated/)
  })

  for (const body of ['{"slug":', '{"slug":"a"}}', '"', '{"__proto__":{"slug":"a"}}']) {
    it(`400: the body ${JSON.stringify(body)}, which is not JSON to be used`, async () => {
      assertProblem(await send('POST', '/v1/tenants', body, 'application/json'), 400, 'BAD_REQUEST')
    })
  }

  it('400: nothing of a broken body is repeated', async () => {
    const answer = await send('POST', '/v1/connections', '{"apiKey":"do-not-repeat-me', 'application/json')
    assertProblem(answer, 400, 'BAD_REQUEST')
    assert.doesNotMatch(answer.text, /do-not-repeat-me/)
  })

  it('415: a body that is not JSON by its content type', async () => {
    for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded']) {
      assertProblem(await send('POST', '/v1/tenants', 'slug=a', type), 415, 'UNSUPPORTED_MEDIA_TYPE')
    }
  })

  it('413: a body over the limit', async () => {
    const body = JSON.stringify({ slug: 'a', name: 'a'.repeat(6 * 1_048_576) })
    assertProblem(await send('POST', '/v1/tenants', body, 'application/json'), 413, 'BODY_TOO_LARGE')
  })

  it('422: a body of which every wrong field is listed at once', async () => {
    const answer = await system.api('POST', '/v1/connections', {
      tenant: 'demo',
      channel: 'another',
      accountId: 'abc',
      apiKey: '',
      autoImport: 'perhaps',
      webhookAuth: 'none',
      webhookSecret: 'short',
      alertingEmailAddress: 'nobody',
      surplus: 1,
    })
    const { errors = [] } = assertProblem(answer, 422, 'VALIDATION_FAILED')
    assert.deepEqual(Object.fromEntries(errors.map(({ field, message }) => [field, message])), {
      accountId: 'must be a number of at most 18 digits',
      alertingEmailAddress: 'must be an e-mail address',
      apiKey: 'must have at least one character',
      autoImport: 'must be true or false',
      channel: 'must be one of hostaway',
      surplus: 'is an unknown field',
      webhookAuth: 'must be one of basic, hmac, basic+hmac',
      webhookSecret: 'must have at least 16 characters',
    })
    assert.equal(errors.length, 8)
  })

  it('422: a nullable field is described by its other type, deep down too', async () => {
    const { body } = await system.api<{ data: Array<{ id: string }> }>('GET', '/v1/connections')
    const answer = await system.api('PATCH', `/v1/connections/${body.data[0]?.id}`, {
      rateLimit: { rpm: 0, more: 1 },
      sync: { pricing: { cron: 'every day' }, listings: { cron: '99 * * * *', enabled: 'perhaps' } },
    })
    const { errors = [] } = assertProblem(answer, 422, 'VALIDATION_FAILED')
    assert.deepEqual(Object.fromEntries(errors.map(({ field, message }) => [field, message])), {
      'rateLimit.rpm': 'must be at least 1',
      'rateLimit.more': 'is an unknown field',
      'sync.pricing.cron': 'must be a cron expression of five or six fields',
      'sync.listings.cron': 'must be a cron expression of five or six fields',
      'sync.listings.enabled': 'must be true or false',
    })
  })

  it('422: a body that lacks several fields, each named', async () => {
    const { errors = [] } = assertProblem(
      await system.api('POST', '/v1/tokens', {}),
      422,
      'VALIDATION_FAILED',
    )
    assert.deepEqual(errors.map(({ field, message }) => `${field} ${message}`).sort(), [
      'name is missing',
      'role is missing',
    ])
  })

  it('422: every day that is no day, one that is written wrong beside one that does not exist', async () => {
    const { body } = await system.api<{ data: Array<{ id: string }> }>('GET', '/v1/connections')
    const path = `/v1/connections/${body.data[0]?.id}/import`
    for (const answer of [
      await system.api('POST', path, { from: '2027-02-30', to: 'tomorrow' }),
      await system.api('GET', '/v1/bookings?from=2027-02-30&to=2027-13-01'),
      await system.api('GET', '/v1/units/any/calendar?tenant=demo&from=2027-02-30&to=tomorrow'),
    ]) {
      const { errors = [] } = assertProblem(answer, 422, 'VALIDATION_FAILED')
      assert.deepEqual(errors.map(({ field }) => field).sort(), ['from', 'to'])
    }
  })

  it('422: a body of another type than an object', async () => {
    for (const body of [[], 'text', 1, null]) {
      assertProblem(await system.api('POST', '/v1/tenants', body), 422, 'VALIDATION_FAILED')
    }
  })

  it('422: a query of which every wrong field is listed at once', async () => {
    const answer = await system.api('GET', '/v1/bookings?limit=0&status=gone&from=soon&to=2027-1-1')
    const { errors = [] } = assertProblem(answer, 422, 'VALIDATION_FAILED')
    assert.deepEqual([...new Set(errors.map(({ field }) => field))].sort(), ['from', 'limit', 'status', 'to'])
  })

  const unstorable = [
    ['GET', '/v1/bookings?unitId=%00', 'unitId'],
    ['GET', '/v1/bookings?externalId=a%00b', 'externalId'],
    ['GET', '/v1/webhooks?externalId=%00', 'externalId'],
    ['GET', '/v1/bookings?updatedAfter=-100000-01-01T00:00:00Z', 'updatedAfter'],
    ['GET', '/v1/units/%00/calendar?tenant=demo', 'unitId'],
    ['GET', '/v1/units/hostaway-1/calendar?tenant=%00', 'tenant'],
    ['POST', '/v1/tenants', 'name', '{"slug":"nul","name":"a\\u0000b"}'],
    ['POST', '/v1/tenants', 'name', '{"slug":"half","name":"a\\ud800b"}'],
    ['POST', '/v1/tokens', 'name', '{"tenant":"demo","role":"viewer","name":"\\u0000"}'],
    ['POST', '/v1/connections/:id/mapping/preview', 'reservation.id', '{"reservation":{"id":1e400}}'],
    ['POST', '/v1/connections/:id/mapping/preview', 'reservation.a.0', '{"reservation":{"a":["\\udc00"]}}'],
    [
      'PUT',
      '/v1/connections/:id/mapping',
      'spec.fields.a.constant',
      '{"spec":{"fields":{"a":{"type":"text","constant":"\\ud800"}}}}',
    ],
    [
      'PUT',
      '/v1/connections/:id/mapping',
      'spec.fields.a.constant',
      '{"spec":{"fields":{"a":{"type":"text","constant":"\\u0000"}}}}',
    ],
  ] as const
  for (const [method, path, field, body] of unstorable) {
    it(`422: ${method} ${path} ${body ?? ''}, a value that PostgreSQL does not store`, async () => {
      const { body: connections } = await system.api<{ data: Array<{ id: string }> }>(
        'GET',
        '/v1/connections',
      )
      const address = path.replace(':id', connections.data[0]?.id ?? '')
      const answer = await send(method, address, body, body === undefined ? undefined : 'application/json')
      const { errors = [] } = assertProblem(answer, 422, 'VALIDATION_FAILED')
      assert.deepEqual(
        errors.map((error) => error.field),
        [field],
      )
    })
  }

  it('422: an Idempotency-Key that is too long, beside a body that is wrong as well', async () => {
    for (const path of ['/v1/bookings?tenant=demo', '/v1/events?tenant=demo']) {
      const key = randomBytes(6_000).toString('base64')
      const answer = await send('POST', path, '{}', 'application/json', { 'idempotency-key': key })
      assertProblem(answer, 422, 'VALIDATION_FAILED')
    }
  })

  it('422: a body of which nothing is coerced', async () => {
    for (const body of [
      { slug: 1, name: 'number' },
      { slug: 'list', name: ['a'] },
      { slug: 'null', name: null },
    ]) {
      const { errors = [] } = assertProblem(
        await system.api('POST', '/v1/tenants', body),
        422,
        'VALIDATION_FAILED',
      )
      assert.equal(errors[0]?.message, 'must be a text')
    }
  })

  it('422: lists 100 wrong fields of many, and a list that is too long without its entries', async () => {
    const event = { type: 'availability.updated', unitId: 'any', ranges: [{}] }
    const many = await system.api('POST', '/v1/events?tenant=demo', Array(1_000).fill(event))
    assert.equal(assertProblem(many, 422, 'VALIDATION_FAILED').errors?.length, 100)
    const unknown = { ...event, ranges: [{ from: '2027-01-01', to: '2027-01-01', available: true }] }
    const unknownUnits = await system.api('POST', '/v1/events?tenant=demo', Array(1_000).fill(unknown))
    assert.equal(assertProblem(unknownUnits, 422, 'EVENT_NOT_APPLICABLE').errors?.length, 100)
    for (const [body, field, message] of [
      [Array(200_000).fill(1), 'body', 'must have at most 1000 entries'],
      [{ ...event, ranges: Array(200_000).fill(1) }, 'ranges', 'must have at most 1500 entries'],
    ]) {
      const answer = await system.api('POST', '/v1/events?tenant=demo', body)
      assert.deepEqual(assertProblem(answer, 422, 'VALIDATION_FAILED').errors, [{ field, message }])
    }
  })

  it('409: a tenant that exists', async () => {
    assertProblem(await system.api('POST', '/v1/tenants', { slug: 'demo', name: 'a' }), 409, 'TENANT_EXISTS')
  })

  it('500: says nothing of what went wrong, and the log has it', async () => {
    await sql`alter table bookings rename to bookings_hidden`.execute(system.db)
    try {
      const answer = await system.api('GET', '/v1/bookings?unitId=not-to-be-repeated')
      const problem = assertProblem(answer, 500, 'UNEXPECTED')
      assert.doesNotMatch(answer.text, /relation|select|not-to-be-repeated/)
      assert.match(problem.detail, /on our side/)
      assert.ok(
        system.logged.some((line) => line.includes('request.failed') && line.includes('does not exist')),
      )
    } finally {
      await sql`alter table bookings_hidden rename to bookings`.execute(system.db)
    }
  })

  it('429: too many requests without a valid token, while valid ones go on', async () => {
    const bad = () => system.api('GET', '/v1/bookings', undefined, 'tvl_guess')
    let answer = await bad()
    for (let count = 0; count < 400 && answer.status === 401; count += 1) answer = await bad()
    assertProblem(answer, 429, 'TOO_MANY_REQUESTS')
    assert.equal((await system.api('GET', '/v1/bookings')).status, 200)
  })
})
