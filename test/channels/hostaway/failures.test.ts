import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { redact } from '../../../src/channels/hostaway/failures.ts'
import { AppError, type FailureKind } from '../../../src/platform/errors.ts'
import { openHostawayClient } from '../../support/hostaway-client.ts'
import {
  answering,
  answeringText,
  type Script,
  startScriptedHostaway,
} from '../../support/scripted-hostaway.ts'

const apiKey = 'key-4f1d9c0b7e5a/+='
const token = 'eyJhbGciOi.eyJhdWQiOiIxMDAwMSJ9.c2lnbmF0dXJl'
const webhook = {
  url: 'https://tvl.example/hook',
  login: 'login-8d2f',
  password: 'password-77aa',
  alertingEmailAddress: null,
}
const call = { accountId: '10001', token, urgency: 'urgent' } as const

async function openBoth(context: TestContext, script: Script, timeoutMs?: number) {
  const hostaway = await startScriptedHostaway(context, script)
  const opened = await openHostawayClient(context, {
    apiUrl: hostaway.apiUrl,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  })
  return { hostaway, ...opened }
}

async function failureOf(promise: Promise<unknown>): Promise<AppError> {
  const caught: unknown = await promise.then(
    () => assert.fail('the call succeeded'),
    (error: unknown) => error,
  )
  assert.ok(caught instanceof AppError, String(caught))
  return caught
}

const classified: Array<[string, Script, FailureKind]> = [
  [
    'a failure reported with status 200',
    answering({ status: 'fail', message: 'No such policy' }),
    'business_rule',
  ],
  ['a failure whose text is in result', answering({ status: 'fail', result: 'No image' }), 'business_rule'],
  ['400', answering({ message: 'Please check' }, 400), 'rejected'],
  ['422', answering({ message: 'Please check' }, 422), 'rejected'],
  ['401', answering({ message: 'Denied' }, 401), 'forbidden'],
  ['403', answering({ message: 'Denied' }, 403), 'forbidden'],
  ['409', answering({ message: 'Changed meanwhile' }, 409), 'conflict'],
  ['404', answering({ message: 'Not there' }, 404), 'not_found'],
  ['408', answeringText('', 408), 'timeout'],
  ['500', answering({ message: 'Oops' }, 500), 'hostaway_unavailable'],
  ['503 with HTML', answeringText('<html>busy</html>', 503), 'hostaway_unavailable'],
  ['HTML with status 200', answeringText('<html>welcome</html>'), 'malformed_response'],
  ['truncated JSON', answeringText('{"status":"success","result":{"id":'), 'malformed_response'],
  ['an empty body', answeringText(''), 'malformed_response'],
  ['a success without a result', answeringText('{"status":"success"}'), 'malformed_response'],
  ['an unheard-of status word', answering({ status: 'maybe', result: {} }), 'malformed_response'],
  ['another reservation than asked for', answering({ result: { id: 8 } }), 'malformed_response'],
  ['a redirect', answeringText('', 302, { location: 'http://127.0.0.1:1/v1/elsewhere' }), 'intercepted'],
  ['a permanent redirect', answeringText('', 308, { location: '/v1/elsewhere' }), 'intercepted'],
  ['not modified', answeringText('', 304), 'intercepted'],
  ['403 with HTML', answeringText('<html>Are you a robot?</html>', 403), 'intercepted'],
  ['404 with HTML', answeringText('<html>Not here</html>', 404), 'intercepted'],
  ['401 with an empty body', answeringText('', 401), 'intercepted'],
  ['400 in the JSON of another', answeringText('{"message":"Bad Request"}', 400), 'intercepted'],
  ['451 with a text', answeringText('Unavailable', 451), 'intercepted'],
  [
    'an answer that is not HTTP',
    (_, response) => void response.socket?.end('HELLO\r\n\r\n'),
    'malformed_response',
  ],
  ['a dropped connection', (_, response) => void response.socket?.destroy(), 'network'],
  [
    'a connection dropped in the middle of the answer',
    (_, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('{"status":', () => response.socket?.destroy())
    },
    'network',
  ],
]

for (const [name, script, kind] of classified) {
  test(`${name} is ${kind}`, async (context) => {
    const { client, hostaway } = await openBoth(context, script)
    const failure = await failureOf(client.getReservation(call, '7'))
    assert.equal(failure.kind, kind)
    assert.equal(hostaway.requests.length, 1, 'nothing is retried or followed')
  })
}

test('an answer larger than 20 MB is malformed, compressed or not', async (context) => {
  const large = Buffer.alloc(21 * 1024 * 1024, ' ')
  const { client, hostaway } = await openBoth(context, (_, response) => void response.end(large))
  assert.equal((await failureOf(client.getReservation(call, '7'))).kind, 'malformed_response')
  const bomb = gzipSync(large)
  hostaway.onRequest((_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' })
    response.end(bomb)
  })
  assert.equal((await failureOf(client.getReservation(call, '7'))).kind, 'malformed_response')
})

test('a server that never answers is a timeout', async (context) => {
  const { client } = await openBoth(context, () => {}, 150)
  assert.equal((await failureOf(client.getReservation(call, '7'))).kind, 'timeout')
})

test('an answer that drips in ends at the time-out although the connection is never silent', async (context) => {
  const { client } = await openBoth(
    context,
    (_, response) => {
      response.writeHead(200)
      const drip = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(drip))
    },
    250,
  )
  const started = performance.now()
  assert.equal((await failureOf(client.getReservation(call, '7'))).kind, 'timeout')
  assert.ok(performance.now() - started < 3_000)
})

test('a closed port is network', async (context) => {
  const { client } = await openHostawayClient(context, { apiUrl: 'http://127.0.0.1:1/v1' })
  const failure = await failureOf(client.getReservation(call, '7'))
  assert.equal(failure.kind, 'network')
  assert.match(failure.message, /ECONNREFUSED/)
})

test('a wrong API key is credentials_rejected, by status or by content', async (context) => {
  const { client, hostaway } = await openBoth(context, answeringText('{"error":"invalid_client"}', 401))
  assert.equal(
    (await failureOf(client.requestAccessToken({ accountId: '1', apiKey }))).kind,
    'credentials_rejected',
  )
  hostaway.onRequest(answeringText('{"error":"invalid_client"}', 400))
  assert.equal(
    (await failureOf(client.requestAccessToken({ accountId: '1', apiKey }))).kind,
    'credentials_rejected',
  )
  hostaway.onRequest(answering({ message: 'Denied' }, 403))
  assert.equal((await failureOf(client.requestAccessToken({ accountId: '1', apiKey }))).kind, 'forbidden')
})

test('429 says when to come back: a UNIX timestamp, kept between one second and one minute from now', async (context) => {
  const { client, hostaway } = await openBoth(context, answering({}))
  const now = Math.floor(Date.now() / 1000)
  const hints: Array<[string | undefined, number, number]> = [
    [String(now + 30), 29, 30],
    [String(now - 5), 0.9, 1],
    ['7', 0.9, 1],
    [String((now + 30) * 1000), 59, 60],
    ['soon', 9, 10],
    ['-1', 9, 10],
    [undefined, 9, 10],
  ]
  for (const [index, [hint, least, most]] of hints.entries()) {
    const headers = hint === undefined ? undefined : { 'x-ratelimit-retry-after': hint }
    hostaway.onRequest(answering({ message: 'Too many' }, 429, headers))
    const begun = Date.now()
    const failure = await failureOf(client.getReservation({ ...call, accountId: `account-${index}` }, '7'))
    assert.equal(failure.kind, 'rate_limited')
    const wait = ((failure.retryAt?.getTime() ?? 0) - begun) / 1000
    assert.ok(wait >= least && wait <= most + 2, `${hint} waits ${wait} s`)
  }
})

test('no error, log line or metric carries a token, key or credentials, even when Hostaway echoes them', async (context) => {
  const basic = Buffer.from(`${webhook.login}:${webhook.password}`).toString('base64')
  const echo: Script = ({ method, path, query, headers, body }, response) => {
    const sent = [...query.values(), headers.authorization, body.slice(0, 120), decodeURIComponent(body)]
    const known = path.includes('webhooks') ? `Authorization: Basic ${basic}, ${basic}` : ''
    response.writeHead(method === 'DELETE' ? 400 : 403)
    response.end(
      JSON.stringify({
        status: 'fail',
        message: `${known} at https://api.example/${path}?${query}: ${sent}`,
      }),
    )
  }
  const { client, logged, metrics } = await openBoth(context, echo)
  const failures = await Promise.all([
    failureOf(client.requestAccessToken({ accountId: '1', apiKey })),
    failureOf(client.revokeAccessToken({ accountId: '1', token })),
    failureOf(client.getReservation(call, '7')),
    failureOf(client.createWebhook(call, webhook)),
    failureOf(client.updateWebhook(call, '4', webhook)),
  ])
  const told = [
    ...failures.map((failure) => `${failure.stack} ${JSON.stringify(failure)} ${String(failure.cause)}`),
    ...logged,
    await metrics.registry.metrics(),
  ].join('\n')
  assert.equal(logged.length, 5)
  const secrets = [apiKey, encodeURIComponent(apiKey), token, webhook.login, webhook.password, basic]
  for (const secret of secrets) {
    assert.ok(
      !told.includes(secret),
      `${secret} was told: ${told.slice(Math.max(0, told.indexOf(secret) - 200), told.indexOf(secret) + 200)}`,
    )
  }
})

test('a failed connection reveals nothing of the request', async (context) => {
  const { client, logged } = await openHostawayClient(context, { apiUrl: 'http://127.0.0.1:1/v1' })
  const failure = await failureOf(client.revokeAccessToken({ accountId: '1', token }))
  assert.equal(failure.cause, undefined)
  assert.ok(!`${failure.message}${logged.join('')}`.includes(token))
})

test('what Hostaway says is kept to 200 characters on one line', async (context) => {
  const { client } = await openBoth(
    context,
    answering({ message: `line\none\u0000${'x'.repeat(5_000)}` }, 400),
  )
  const { message } = await failureOf(client.getReservation(call, '7'))
  assert.ok(message.length < 240)
  assert.match(message, /^Hostaway answered 400: line one x+…$/)
})

test('tokens that were not known beforehand are recognised by their looks', () => {
  const text = redact(`Bearer abc.def, "access_token":"zzz9", https://x.example/a?token=t#f, ${token}`, [])
  assert.equal(text, 'Bearer [secret] "access_token":"[secret]", https://x.example/a [secret]')
})
