import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { withoutRequestId } from '../support/assert-problem.ts'
import { countRefused, countWebhooks, post, webhookRoutes, webhookRow } from '../support/ingress.ts'
import { reservationBody } from '../support/reservation-bodies.ts'
import { startTestSystem } from '../support/test-system.ts'

const mebibyte = 1_048_576
const system = await startTestSystem({ after }, { workers: false })
const connection = await system.connect()
const { accountId } = connection
const json = { 'content-type': 'application/json' }
const authorized = { ...json, authorization: connection.basic }
const challenge = 'Basic realm="Hostaway webhooks", charset="UTF-8"'
const nobody = '00000000-0000-7000-8000-000000000000'

function webhook(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    object: 'reservation',
    event: 'reservation.created',
    accountId,
    data: reservationBody(),
    ...changes,
  }
}

/** Asserts that nothing is stored meanwhile, and that what was refused is counted. */
async function nothingStored<T extends { status: number }>(send: () => Promise<T>): Promise<T> {
  const before = await countWebhooks(system)
  const answer = await send()
  assert.equal(await countWebhooks(system), before)
  return answer
}

async function refused(status: number, send: () => ReturnType<typeof post>) {
  const before = await countRefused(system, status)
  const answer = await nothingStored(send)
  assert.equal(answer.status, status, answer.text)
  assert.equal(await countRefused(system, status), before + 1)
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/)
  return answer
}

for (const { route, urlOf } of webhookRoutes) {
  const url = urlOf(system, connection)

  describe(`at ${route}`, () => {
    it('a webhook is answered 200 with the id under which it is stored, byte for byte', async () => {
      const body = `\n{ "event" :"reservation.created","accountId":${accountId}, "data":{"id":1.0, "name":"Zo\\u00eb \u{1f3d6} é"}\t}\r\n `
      const answer = await post(url, body, authorized)
      assert.equal(answer.status, 200, answer.text)
      assert.deepEqual(Object.keys(answer.body), ['received', 'webhookId'])
      const row = await webhookRow(system, answer.body.webhookId)
      assert.equal(row.body, body)
      assert.equal(row.connection_id, connection.id)
      assert.deepEqual(
        [row.event_type, row.external_id, row.status],
        ['reservation.created', '1', 'received'],
      )
    })

    it('an unknown event is stored as well', async () => {
      const answer = await post(url, JSON.stringify(webhook({ event: 'owner.exploded' })), authorized)
      assert.equal(answer.status, 200)
      const row = await webhookRow(system, answer.body.webhookId)
      assert.deepEqual([row.event_type, row.source_event], ['other', 'owner.exploded'])
    })

    it('the account may be named by a number or by text', async () => {
      for (const name of [accountId, String(accountId)]) {
        const answer = await post(url, JSON.stringify(webhook({ accountId: name })), authorized)
        assert.equal(answer.status, 200, answer.text)
      }
    })

    const [login, password] = Buffer.from(connection.basic.slice(6), 'base64').toString().split(':')
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
    const strangers: Record<string, Record<string, string>> = {
      'no credentials': json,
      'an empty header': { ...json, authorization: '' },
      'a wrong password': { ...json, authorization: basic(`${login}:${password}x`) },
      'a wrong login': { ...json, authorization: basic(`x${login}:${password}`) },
      'no password': { ...json, authorization: basic(`${login}:`) },
      'a login alone': { ...json, authorization: basic(`${login}`) },
      'another scheme': { ...json, authorization: connection.basic.replace('Basic', 'Bearer') },
      'no scheme': { ...json, authorization: connection.basic.slice(6) },
      'a scheme alone': { ...json, authorization: 'Basic' },
      'broken base64': { ...json, authorization: 'Basic %%%=' },
      'base64 with something behind it': {
        ...json,
        authorization: `${connection.basic}A`,
      },
      'a signature where there is no secret': {
        ...json,
        'x-hostaway-signature': 'ab'.repeat(32),
        'x-hostaway-timestamp': String(Math.floor(Date.now() / 1_000)),
      },
    }

    it('every unauthenticated request gets the same 401, whatever is wrong', async () => {
      const texts = new Set<string>()
      const body = JSON.stringify(webhook())
      for (const [name, headers] of Object.entries(strangers)) {
        const answer = await refused(401, () => post(url, body, headers))
        texts.add(withoutRequestId(answer.text))
        assert.equal(answer.headers.get('www-authenticate'), challenge)
        assert.equal(texts.size, 1, name)
      }
      const [known = ''] = texts
      const unknown = url.endsWith(connection.id)
        ? [nobody, 'nobody', 'x'.repeat(9_000), '%00'].map(
            (id) => [url.replace(connection.id, id), body] as const,
          )
        : [99_999, 'nobody', ''].map((id) => [url, JSON.stringify(webhook({ accountId: id }))] as const)
      for (const [address, sent] of unknown) {
        const answer = await refused(401, () => post(address, sent, authorized))
        assert.equal(answer.headers.get('www-authenticate'), challenge)
        const { instance, requestId } = answer.body
        assert.deepEqual(answer.body, { ...JSON.parse(known), instance, requestId })
      }
    })

    it('who is not authenticated does not learn whether the body was JSON', async () => {
      for (const body of ['', 'not JSON', '[]', JSON.stringify(webhook({ accountId: 99_999 }))]) {
        await refused(401, () => post(url, body, json))
      }
    })

    it('other content types are answered 415, JSON under its other names is taken', async () => {
      const body = JSON.stringify(webhook())
      const { authorization } = authorized
      for (const type of [
        undefined,
        'text/plain',
        'text/json',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        'application/jsonlines',
        'application/json-seq',
        'application/xml; as=application/json',
        'nonsense',
      ]) {
        const headers = type === undefined ? { authorization } : { authorization, 'content-type': type }
        await refused(415, () => post(url, body, headers))
      }
      for (const type of [
        'application/json; charset=utf-8',
        'Application/JSON;charset=UTF-8',
        'application/json ',
        'application/vnd.api+json',
        'application/cloudevents+json; charset=utf-8',
      ]) {
        const answer = await post(url, body, { authorization, 'content-type': type })
        assert.equal(answer.status, 200, `${type}: ${answer.text}`)
      }
    })

    it('one mebibyte is taken, one byte more is answered 413', async () => {
      const head = `{"event":"message.received","accountId":${accountId},"data":{"body":"`
      const sized = (bytes: number) => `${head}${'x'.repeat(bytes - head.length - 3)}"}}`
      const answer = await post(url, sized(mebibyte), authorized)
      assert.equal(answer.status, 200, answer.text)
      assert.equal((await webhookRow(system, answer.body.webhookId)).body.length, mebibyte)
      await refused(413, () => post(url, sized(mebibyte + 1), authorized))
    })

    it('the ping of a registration is answered 200 without credentials, and not stored', async () => {
      const unknown = url.endsWith(connection.id) ? url.replace(connection.id, 'nobody-at-all') : url
      for (const address of [url, unknown]) {
        for (const ping of [
          '{"data":"test"}',
          ' {\r\n\t"data" : "test" }\n',
          `${' '.repeat(500)}{"data":${'\n'.repeat(500)}"test"}`,
        ]) {
          const answer = await nothingStored(() => post(address, ping, json))
          assert.equal(answer.status, 200, ping)
          assert.deepEqual(answer.body, { received: true })
        }
      }
    })

    it('what only resembles the ping is not one', async () => {
      for (const body of [
        '{"data":"test","event":"reservation.created"}',
        '{"data":"test","accountId":null}',
        '{"data":"Test"}',
        '{"data":["test"]}',
        '{"data":"test"}{}',
        '["data","test"]',
        '"test"',
      ]) {
        await refused(401, () => post(url, body, json))
      }
    })

    it('a probe is answered 200', async () => {
      const others = ['nobody-at-all', 'x'.repeat(9_000), '%00', '%F0%9F%8F%96', 'a%2Fb', "'"]
      const unknown = url.endsWith(connection.id) ? others.map((id) => url.replace(connection.id, id)) : []
      for (const address of [url, ...unknown]) {
        const got = await nothingStored(() => fetch(address))
        assert.deepEqual([got.status, await got.json()], [200, { received: true }])
        const head = await nothingStored(() => fetch(address, { method: 'HEAD' }))
        assert.deepEqual([head.status, await head.text()], [200, ''])
      }
    })
  })
}

const shapes: Record<string, string | Uint8Array> = {
  'nothing at all': '',
  'white space': ' \n',
  'no JSON': 'reservation created',
  'a form': 'event=reservation.created',
  'a JSON array': '[{"event":"reservation.created"}]',
  'a JSON string': '"reservation.created"',
  'a JSON number': '7',
  'JSON null': 'null',
  'JSON true': 'true',
  'truncated JSON': '{"event":"reservation.created","data":{"id":',
  'two objects': '{}{}',
  'a trailing comma': '{"event":"reservation.created",}',
  'a NUL behind the object': '{}\u0000',
  'a raw NUL in a text': '{"event":"a\u0000b"}',
  'an overlong encoding of a slash': Buffer.concat([
    Buffer.from('{"a":"'),
    Buffer.from([0xc0, 0xaf]),
    Buffer.from('"}'),
  ]),
  'a surrogate encoded on its own': Buffer.concat([
    Buffer.from('{"a":"'),
    Buffer.from([0xed, 0xa0, 0x80]),
    Buffer.from('"}'),
  ]),
  'Latin-1': Buffer.from('{"guestName":"Zoë"}', 'latin1'),
  'UTF-16': Buffer.from('{"event":"reservation.created"}', 'utf16le'),
}

describe('who is authenticated', () => {
  const url = connection.webhookUrl

  for (const [name, body] of Object.entries(shapes)) {
    it(`gets 400 for ${name}`, async () => {
      const answer = await refused(400, () => post(url, body, authorized))
      assert.equal(answer.body.code, 'NOT_A_JSON_OBJECT')
    })
  }

  it('gets 403 for a body that names another account, and nothing is stored', async () => {
    for (const named of [10_002, '10002', `0${accountId}`, 'account', 1]) {
      const answer = await refused(403, () =>
        post(url, JSON.stringify(webhook({ accountId: named })), authorized),
      )
      assert.equal(answer.body.code, 'FOREIGN_ACCOUNT')
    }
  })

  it('need not name the account where the address names the connection', async () => {
    for (const body of ['{}', '{"event":"reservation.created","accountId":null}']) {
      assert.equal((await post(url, body, authorized)).status, 200)
    }
  })

  it('a connection is found whatever the case of the id in the address', async () => {
    const body = JSON.stringify(webhook())
    const answer = await post(url.replace(connection.id, connection.id.toUpperCase()), body, authorized)
    assert.equal(answer.status, 200)
  })

  it('a webhook with another connection’s credentials is refused', async () => {
    const second = { accountId: 10_002, apiKey: 'key-of-the-second' }
    await system.control.addAccount(second)
    const other = await system.connect({ tenant: 'other', ...second })
    const headers = { ...json, authorization: other.basic }
    const body = JSON.stringify(webhook())
    await refused(401, () => post(url, body, headers))
    await refused(401, () => post(`${system.url}/webhooks/hostaway`, body, headers))
    await refused(403, () => post(other.webhookUrl, body, headers))
  })
})
