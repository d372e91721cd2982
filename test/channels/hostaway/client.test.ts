import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AppError } from '../../../src/platform/errors.ts'
import { eventually } from '../../support/eventually.ts'
import { openHostawayClient } from '../../support/hostaway-client.ts'
import { reservationBody } from '../../support/reservation-bodies.ts'
import { answering, answeringText, startScriptedHostaway } from '../../support/scripted-hostaway.ts'

const call = { accountId: '10001', token: 'a-token', urgency: 'urgent' } as const

async function openBoth(
  context: TestContext,
  options: Omit<Parameters<typeof openHostawayClient>[1], 'apiUrl'> = {},
) {
  const hostaway = await startScriptedHostaway(context)
  return { hostaway, ...(await openHostawayClient(context, { apiUrl: hostaway.apiUrl, ...options })) }
}

test('a token is asked for with a form and read bare or wrapped', async (context) => {
  const { client, hostaway } = await openBoth(context)
  const issued = { token_type: 'Bearer', expires_in: 63_072_000, access_token: 'issued-token' }
  for (const body of [issued, { status: 'success', result: issued }]) {
    hostaway.onRequest(answeringText(JSON.stringify(body)))
    const token = await client.requestAccessToken({ accountId: '10001', apiKey: 'k&y=1' })
    assert.deepEqual(token, { accessToken: 'issued-token', expiresInSeconds: 63_072_000 })
  }
  const [request] = hostaway.requests
  assert.ok(request)
  assert.deepEqual(
    [request.method, request.path, request.headers.authorization],
    ['POST', '/v1/accessTokens', undefined],
  )
  assert.equal(request.headers['content-type'], 'application/x-www-form-urlencoded')
  assert.deepEqual(Object.fromEntries(new URLSearchParams(request.body)), {
    grant_type: 'client_credentials',
    client_id: '10001',
    client_secret: 'k&y=1',
    scope: 'general',
  })
})

test('an answer without a usable token is malformed, one that reports a failure is a refusal', async (context) => {
  const { client, hostaway } = await openBoth(context)
  const ask = () => client.requestAccessToken({ accountId: '1', apiKey: 'k' })
  const unusable = [
    { access_token: 'x' },
    { expires_in: 5 },
    { access_token: 'a\r\nb', expires_in: 5 },
    { access_token: '', expires_in: 5 },
    { access_token: 'x', expires_in: 'soon' },
  ]
  for (const body of unusable) {
    hostaway.onRequest(answeringText(JSON.stringify(body)))
    await assert.rejects(ask(), { kind: 'malformed_response' }, JSON.stringify(body))
  }
  hostaway.onRequest(answering({ status: 'fail', message: 'Try later' }))
  await assert.rejects(ask(), { kind: 'business_rule' })
})

test('a reservation is asked for with everything that belongs to it', async (context) => {
  const { client, hostaway } = await openBoth(context)
  hostaway.onRequest(answering({ result: reservationBody({ ccNumber: '4111111111111111' }) }))
  const reservation = await client.getReservation(call, '700001')
  assert.equal(reservation.guestName, 'Ines Ferreira')
  assert.deepEqual(reservation.units, [])
  assert.ok(!JSON.stringify(reservation).includes('4111'))
  const [request] = hostaway.requests
  assert.equal(request?.path, '/v1/reservations/700001')
  assert.equal(request?.query.get('includeResources'), '1')
  assert.equal(request?.headers.authorization, 'Bearer a-token')
})

test('the last page of reservations is the one shorter than the echoed limit, or an empty one', async (context) => {
  const { client, hostaway } = await openBoth(context)
  const rows = [reservationBody({ id: 1 }), reservationBody({ id: 2 })]
  const pages: Array<[object, boolean]> = [
    [{ result: rows, limit: 2 }, false],
    [{ result: rows, limit: 3 }, true],
    [{ result: rows }, false],
    [{ result: rows, limit: null }, false],
    [{ result: [], limit: 2 }, true],
    [{ result: [] }, true],
  ]
  for (const [page, last] of pages) {
    hostaway.onRequest(answering(page))
    const answer = await client.listReservationsPage(call, {
      limit: 500,
      afterId: '9',
      sortOrder: 'updatedOn',
    })
    assert.equal(answer.last, last, JSON.stringify(page))
  }
  const query = hostaway.requests[0]?.query
  assert.deepEqual(Object.fromEntries(query ?? []), {
    limit: '500',
    afterId: '9',
    sortOrder: 'updatedOn',
    includeResources: '1',
  })
})

test('rows without an id are counted, a page of nothing else is malformed', async (context) => {
  const { client, hostaway } = await openBoth(context)
  hostaway.onRequest(
    answering({ result: [reservationBody({ id: 5 }), { guestName: 'nobody' }, null], limit: 3 }),
  )
  const page = await client.listReservationsPage(call, { limit: 3 })
  assert.deepEqual(
    [page.reservations.map(({ id }) => id), page.unreadable, page.last, page.limit],
    [['5'], 2, false, 3],
  )
  hostaway.onRequest(answering({ result: [{}] }))
  await assert.rejects(client.listReservationsPage(call, { limit: 3 }), { kind: 'malformed_response' })
})

test('all listings are read over pages that are shorter than asked for, each listing once', async (context) => {
  const { client, hostaway } = await openBoth(context)
  const all = Array.from({ length: 25 }, (_, index) => ({ id: index + 1, name: `House ${index + 1}` }))
  hostaway.onRequest((request, response) => {
    const offset = Math.max(0, Number(request.query.get('offset')) - 1)
    answering({ result: all.slice(offset, offset + 10), limit: 10 })(request, response)
  })
  const listings = await client.listListings(call)
  assert.deepEqual(
    listings.map(({ id }) => id),
    all.map(({ id }) => String(id)),
  )
})

test('a server that repeats its page for ever does not keep us', async (context) => {
  const { client, hostaway } = await openBoth(context)
  hostaway.onRequest(answering({ result: [{ id: 1, name: 'Only' }] }))
  assert.equal((await client.listListings(call)).length, 1)
  assert.equal(hostaway.requests.length, 2)
})

test('a listing tells its facts, and its units are asked for separately', async (context) => {
  const { client, hostaway } = await openBoth(context)
  const body = {
    id: 8_001,
    name: ' ',
    internalListingName: 'Sea house',
    currencyCode: 'eur',
    timeZoneName: 'Europe/Lisbon',
  }
  hostaway.onRequest(
    answering({ result: { ...body, specialStatus: 'archived', price: 80.5, listingUnits: [] } }),
  )
  const { source, ...listing } = await client.getListing(call, '8001')
  assert.equal(source.id, 8_001)
  assert.deepEqual(listing, {
    id: '8001',
    name: 'Sea house',
    currency: 'EUR',
    timeZone: 'Europe/Lisbon',
    archived: true,
    basePrice: '80.5',
    personCapacity: undefined,
    minimumNights: undefined,
    maximumNights: undefined,
    unitCount: undefined,
    problems: [],
  })
  hostaway.onRequest(answering({ result: { ...body, timeZoneName: 'Mars/Base' } }))
  assert.deepEqual(
    (await client.getListing(call, '8001')).problems.map(({ code }) => code),
    ['not_a_time_zone'],
  )
  hostaway.onRequest(answering({ result: [{ id: 1, name: 'A', unitNumber: 12 }, { name: 'no id' }] }))
  assert.deepEqual(await client.listListingUnits(call, '8001'), [{ id: '1', name: 'A', unitNumber: '12' }])
})

test('webhooks are registered, replaced and removed, and their credentials are not handed on', async (context) => {
  const { client, hostaway } = await openBoth(context)
  const target = { url: 'https://tvl.example/h', login: 'u', password: 'p', alertingEmailAddress: null }
  hostaway.onRequest(answering({ result: { id: 4, isEnabled: 1, ...target } }))
  const registered = {
    id: '4',
    url: target.url,
    enabled: true,
    hasCredentials: true,
    alertingEmailAddress: null,
  }
  assert.deepEqual(await client.createWebhook(call, target), registered)
  assert.deepEqual(await client.updateWebhook(call, '4', target), registered)
  hostaway.onRequest(
    answering({ result: [{ id: 5, isEnabled: 0, url: 'https://other.example', login: null }, {}] }),
  )
  const [other] = await client.listWebhooks(call)
  assert.deepEqual([other?.enabled, other?.hasCredentials], [false, false])
  hostaway.onRequest(answering({ result: [] }))
  await client.deleteWebhook(call, '4')
  hostaway.onRequest(answeringText('', 204))
  await client.deleteWebhook(call, '4')
  const seen = hostaway.requests.map(({ method, path }) => `${method} ${path}`)
  assert.deepEqual(seen, [
    'POST /v1/webhooks/unifiedWebhooks',
    'PUT /v1/webhooks/unifiedWebhooks/4',
    'GET /v1/webhooks/unifiedWebhooks',
    'DELETE /v1/webhooks/unifiedWebhooks/4',
    'DELETE /v1/webhooks/unifiedWebhooks/4',
  ])
  assert.deepEqual(JSON.parse(hostaway.requests[0]?.body ?? ''), { isEnabled: 1, ...target })
})

test('calendar days are read, and intervals written as zeros, ones and numbers', async (context) => {
  const { client, hostaway } = await openBoth(context)
  const rows = [
    {
      date: '2027-03-01',
      status: 'available',
      isAvailable: 1,
      price: 99.9,
      minimumStay: 2,
      closedOnArrival: null,
    },
    { date: '2027-03-02', status: 'hardBlock', isAvailable: 0, closedOnDeparture: 1 },
    { status: 'available' },
  ]
  hostaway.onRequest(answering({ result: rows }))
  const [first, second, ...more] = await client.getCalendar(call, '8001', '2027-03-01', '2027-03-02')
  assert.deepEqual(
    [first?.status, first?.isAvailable, first?.price, first?.closedOnArrival],
    ['available', true, '99.9', null],
  )
  assert.deepEqual(
    [second?.status, second?.isAvailable, second?.closedOnDeparture, more],
    ['other', false, true, []],
  )
  const days = { startDate: '2027-03-01', endDate: '2027-03-02' }
  await client.putCalendar(call, '8001', { ...days, isAvailable: false, price: '120.50' })
  hostaway.onRequest(answering({ result: [] }))
  await client.putCalendarIntervals(call, '8001', [{ ...days, desiredUnitsToSell: 0, closedOnArrival: true }])
  await client.putCalendarIntervals(call, '8001', [])
  const bodies = hostaway.requests.map(({ method, path, body }) => `${method} ${path} ${body}`)
  assert.deepEqual(bodies, [
    'GET /v1/listings/8001/calendar ',
    'PUT /v1/listings/8001/calendar {"startDate":"2027-03-01","endDate":"2027-03-02","price":120.5,"isAvailable":0}',
    'PUT /v1/listings/8001/calendarIntervals [{"startDate":"2027-03-01","endDate":"2027-03-02","desiredUnitsToSell":0,"closedOnArrival":1}]',
  ])
  const many = Array.from({ length: 201 }, () => days)
  await assert.rejects(client.putCalendarIntervals(call, '8001', many), { kind: 'invalid_payload' })
  assert.equal(hostaway.requests.length, 3)
})

test('an id cannot change the path of a call', async (context) => {
  const { client, hostaway } = await openBoth(context)
  for (const id of [
    '../listings/1',
    '..',
    '.',
    'a/b',
    '1?x=1',
    '1#',
    '%2e%2e',
    '',
    'a b',
    'a\r\nb',
    '1'.repeat(129),
  ]) {
    await assert.rejects(client.getReservation(call, id), { kind: 'invalid_payload' }, id)
    await assert.rejects(client.deleteWebhook(call, id), { kind: 'invalid_payload' }, id)
  }
  await assert.rejects(async () => client.requestAccessToken({ accountId: '1&x=2', apiKey: 'k' }), {
    kind: 'invalid_payload',
  })
  assert.equal(hostaway.requests.length, 0)
})

test('a call is counted by route and answer, a failure inside a 200 by its kind', async (context) => {
  const { client, hostaway, metrics } = await openBoth(context)
  hostaway.onRequest(answering({ result: reservationBody() }))
  await client.getReservation(call, '700001')
  hostaway.onRequest(answering({ message: 'none' }, 404))
  await assert.rejects(client.getReservation(call, '700001'))
  hostaway.onRequest(answering({ status: 'fail', message: 'no' }))
  await assert.rejects(client.getReservation(call, '700001'))
  hostaway.onRequest((_, response) => void response.socket?.destroy())
  await assert.rejects(client.getReservation(call, '700001'))
  const { values } = await metrics.apiRequests.get()
  assert.deepEqual(
    values.map(({ labels, value }) => [labels.method, labels.endpoint, String(labels.status_code), value]),
    [
      ['GET', '/reservations/:id', '200', 1],
      ['GET', '/reservations/:id', '404', 1],
      ['GET', '/reservations/:id', 'business_rule', 1],
      ['GET', '/reservations/:id', 'network', 1],
    ],
  )
})

test('a call without room is refused with the time to come back, or waits if it may', async (context) => {
  const { client, hostaway } = await openBoth(context, { profile: 'custom:100/1s,1/1s' })
  await client.listWebhooks(call)
  const refusal = await client.listWebhooks(call).catch((error: unknown) => error)
  assert.ok(refusal instanceof AppError)
  assert.equal(refusal.kind, 'rate_limited')
  const wait = (refusal.retryAt?.getTime() ?? 0) - Date.now()
  assert.ok(wait > 500 && wait <= 1_300, `${wait} ms`)
  await assert.rejects(client.listWebhooks({ ...call, maxWaitMs: 50 }), { kind: 'rate_limited' })
  await client.listWebhooks({ ...call, maxWaitMs: 5_000 })
  assert.equal(hostaway.requests.length, 2)
})

for (const [applied, stopsOthers] of [
  ['ip', true],
  ['account', false],
  ['endpoint', false],
  ['provider', false],
  [undefined, false],
] as const) {
  test(`after a 429 of "${applied}" ${stopsOthers ? 'every account waits' : 'only the account waits'}`, async (context) => {
    const { client, hostaway } = await openBoth(context)
    const headers = { 'x-ratelimit-retry-after': String(Math.floor(Date.now() / 1000) + 30) }
    hostaway.onRequest(
      answering({}, 429, applied === undefined ? headers : { ...headers, 'x-ratelimit-applied': applied }),
    )
    await assert.rejects(client.listWebhooks(call), { kind: 'rate_limited', status: 429 })
    hostaway.onRequest(answering({ result: [] }))
    await assert.rejects(client.listWebhooks(call), { kind: 'rate_limited', status: undefined })
    const other = client.listWebhooks({ ...call, accountId: '20002' })
    await (stopsOthers ? assert.rejects(other, { kind: 'rate_limited' }) : other)
    assert.equal(hostaway.requests.length, stopsOthers ? 1 : 2)
  })
}

test('while the breaker is open no place in the rate limit is taken', async (context) => {
  const breaker = { enabled: true, threshold: 3, resetMs: 60_000 }
  const { client, hostaway, limiter } = await openBoth(context, { breaker, profile: 'custom:10/60s,10/60s' })
  hostaway.onRequest(answering({}, 500))
  for (let index = 0; index < 3; index += 1) {
    await assert.rejects(client.listWebhooks(call), { kind: 'hostaway_unavailable' })
  }
  for (let index = 0; index < 5; index += 1) {
    await assert.rejects(client.listWebhooks(call), { kind: 'breaker_open' })
  }
  assert.equal((await limiter.available()).account, 7)
  assert.equal(hostaway.requests.length, 3)
})

test('a full rate limit does not close an open breaker', async (context) => {
  const breaker = { enabled: true, threshold: 3, resetMs: 30 }
  const opened = await openBoth(context, { breaker, profile: 'custom:10/60s,3/60s' })
  opened.hostaway.onRequest(answering({}, 500))
  for (let index = 0; index < 3; index += 1) await assert.rejects(opened.client.listWebhooks(call))
  await eventually(() => assert.equal(opened.breaker.state(), 'half_open'), { intervalMs: 5 })
  for (let index = 0; index < 5; index += 1) {
    await assert.rejects(opened.client.listWebhooks(call), { kind: 'rate_limited' })
  }
  assert.equal(opened.breaker.state(), 'half_open')
  await assert.rejects(opened.client.listWebhooks({ ...call, accountId: '2' }), {
    kind: 'hostaway_unavailable',
  })
  assert.equal(opened.breaker.state(), 'open')
})

test('a proxy named in the environment is not used', async (context) => {
  const { client, hostaway } = await openBoth(context)
  const before = process.env.http_proxy
  process.env.http_proxy = 'http://127.0.0.1:1'
  context.after(() => {
    if (before === undefined) delete process.env.http_proxy
    else process.env.http_proxy = before
  })
  await client.listWebhooks(call)
  assert.equal(hostaway.requests.length, 1)
})
