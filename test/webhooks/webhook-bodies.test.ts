import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { post, webhookRow } from '../support/ingress.ts'
import { reservationBody } from '../support/reservation-bodies.ts'
import { startTestSystem } from '../support/test-system.ts'

const system = await startTestSystem({ after }, { workers: false })
const connection = await system.connect()
const headers = { 'content-type': 'application/json', authorization: connection.basic }
const { accountId } = connection

async function store(body: string | Record<string, unknown>) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const answer = await post(connection.webhookUrl, text, headers)
  assert.equal(answer.status, 200, answer.text)
  return webhookRow(system, answer.body.webhookId)
}

describe('every spelling of the envelope', () => {
  const data = { id: 41 }
  const timestamp = '2027-01-03T11:22:33Z'
  const spellings: Array<[Record<string, unknown>, string, string | null]> = [
    [{ object: 'reservation', event: 'reservation.created', accountId, data }, 'reservation.created', '41'],
    [{ event: 'reservation.updated', timestamp, accountId, data }, 'reservation.updated', '41'],
    [{ eventType: 'reservation.cancelled', accountId, data }, 'reservation.cancelled', '41'],
    [{ event: 'reservation.updated', payload: { data } }, 'reservation.updated', '41'],
    [{ event: 'reservation created', data }, 'reservation.created', '41'],
    [{ event: 'reservation.created', object: 'reservation', objectId: 77 }, 'reservation.created', '77'],
    [{ event: 'reservation.created', object: 'reservation', objectId: '78' }, 'reservation.created', '78'],
    [{ event: 'reservation.updated', data: { hostawayReservationId: '42' } }, 'reservation.updated', '42'],
    [{ event: 'message.created', data: { id: '43' } }, 'message.received', '43'],
    [{ event: 'message.received', data: { id: 44 } }, 'message.received', '44'],
    ...[
      'listing.created',
      'listing.updated',
      'listing.deleted',
      'calendar.updated',
      'task.created',
      'task.updated',
    ].map((event): [Record<string, unknown>, string, string | null] => [{ event, data }, event, '41']),
    [{ event: 'review.created', data }, 'other', '41'],
    [{ data }, 'other', '41'],
    [{}, 'other', null],
    [{ event: { name: 'reservation.created' }, data: 'x' }, 'other', null],
  ]
  for (const [body, eventType, externalId] of spellings) {
    it(`${JSON.stringify(body)} is stored as ${eventType}`, async () => {
      const row = await store(body)
      assert.deepEqual([row.event_type, row.external_id], [eventType, externalId])
      assert.equal(row.body, JSON.stringify(body))
    })
  }
})

describe('the id of the object', () => {
  const ids: Array<[unknown, string | null]> = [
    [700_001, '700001'],
    ['700001', '700001'],
    [' 700001 ', '700001'],
    ['res_1:2.3-4', 'res_1:2.3-4'],
    ['../../etc/passwd', null],
    ['a/b', null],
    ['a\u0000b', null],
    ['\ud800', null],
    ['x'.repeat(65), null],
    ['9'.repeat(5_000), null],
    ['', null],
    [0, null],
    [-5, null],
    [1.5, null],
    [true, null],
    [[1], null],
    [{ id: 1 }, null],
    [null, null],
  ]
  for (const [id, externalId] of ids) {
    it(`the id of the object ${JSON.stringify(id).slice(0, 40)} is stored as ${externalId}`, async () => {
      const row = await store({ event: 'reservation.created', accountId, data: { id } })
      assert.equal(row.external_id, externalId)
    })
  }

  it('the id of the object is null where it is a number that no id has', async () => {
    for (const id of ['1e400', '-1e400', '12345678901234567890', '1e21']) {
      const row = await store(`{"event":"reservation.created","data":{"id":${id}}}`)
      assert.equal(row.external_id, null, id)
    }
  })
})

describe('JSON that breaks others', () => {
  const nested = (depth: number, inner: string) => `${'{"a":'.repeat(depth)}${inner}${'}'.repeat(depth)}`
  const bodies: Record<string, string> = {
    'keys that come twice': '{"event":"x","event":"reservation.created","data":{"id":1},"data":{"id":2}}',
    'names of the prototype': `{"__proto__":{"event":"x"},"constructor":{"prototype":1},"toString":2,"data":{"__proto__":{"id":1}}}`,
    'lone surrogates': '{"event":"\\ud800 \\udc00","data":{"id":"\\udfff"}}',
    'escaped NULs': '{"event":"reservation.\\u0000created","\\u0000":"\\u0000","data":{"id":"\\u0000"}}',
    'numbers beyond any range':
      '{"event":"x","data":{"id":1e400,"price":-1e400,"n":1e-400,"m":123456789012345678901234567890}}',
    'objects in a hundred thousand objects': nested(100_000, '1'),
    'arrays in a hundred thousand arrays': `{"data":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    'fifty thousand keys': `{${Array.from({ length: 50_000 }, (_, index) => `"k${index}":0`).join()}}`,
    'an event as long as a book': `{"event":"${'reservation '.repeat(20_000)}"}`,
    'an event that is cut between two halves of a character': `{"event":"${'x'.repeat(99)}\u{1f3d6}"}`,
  }
  for (const [name, body] of Object.entries(bodies)) {
    it(`${name}: stored as received`, async () => {
      const row = await store(body)
      assert.equal(row.body, body)
    })
  }

  it('a byte order mark is not part of the text', async () => {
    assert.equal((await store('\ufeff{"event":"task.created"}')).body, '{"event":"task.created"}')
  })
})

describe('card data', () => {
  const card = {
    ccNumber: '4111111111111111',
    cvc: '737',
    ccExpirationYear: '2031',
    ccExpirationMonth: 7,
    ccName: 'INES FERREIRA',
  }
  const traces = /4111111111111111|737|2031|FERREIRA|ccNumber|cvc|ccExp|ccName/
  const empty = { ...reservationBody(), ccNumber: null, cvc: null, ccExpirationYear: null, ccName: null }

  it('card data is cut out of a reservation, and the rest is stored', async () => {
    const { ccNumber, cvc, ccName, ...rest } = reservationBody({ guestName: 'Ada' })
    const row = await store({ event: 'reservation.created', accountId, data: { ...rest, ...card } })
    assert.doesNotMatch(row.body, traces)
    assert.deepEqual(JSON.parse(row.body), { event: 'reservation.created', accountId, data: rest })
    assert.deepEqual([row.event_type, row.external_id], ['reservation.created', '700001'])
  })

  it('card data is cut out at any depth and in any one of its fields', async () => {
    for (const [key, value] of Object.entries(card)) {
      const row = await store({
        event: 'reservation.updated',
        data: { id: 1, list: [[{ kept: 'yes', deep: [{ [key]: value }] }]] },
        [key]: { inside: value },
      })
      assert.doesNotMatch(row.body, traces, key)
      assert.match(row.body, /"kept":"yes"/)
    }
  })

  it('card data is cut out where its name is written with escapes', async () => {
    const row = await store('{"data":{"id":7,"\\u0063c\\u004Eumber":"4111111111111111","c\\u0076c":"737"}}')
    assert.equal(row.body, '{"data":{"id":7}}')
  })

  it('card data is cut out where a second key of the same name hides it', async () => {
    for (const hidden of [
      '{"data":{"id":7,"ccNumber":"4111111111111111","ccNumber":null}}',
      '{"data":{"id":7,"cvc" :\n "737" ,"cvc": null}}',
      '{"data":{"id":7,"\\u0063vc":"737","cvc":null}}',
      '{"data":{"ccName":"FERREIRA"},"data":{"id":7}}',
      '{"data":{"ccNumber":{"a":"4111111111111111"},"ccNumber":null,"id":7}}',
    ]) {
      const row = await store(hidden)
      assert.doesNotMatch(row.body, traces, hidden)
      assert.deepEqual(JSON.parse(row.body), { data: { id: 7 } })
    }
  })

  it('card data is cut out of a body however deep it is', async () => {
    const depth = 50_000
    const text = `{"ccNumber":"4111111111111111","data":${'{"a":['.repeat(depth)}{"cvc":"737","id":1}${']}'.repeat(depth)}}`
    const row = await store(text)
    assert.equal(row.body, `{"data":${'{"a":['.repeat(depth)}{"id":1}${']}'.repeat(depth)}}`)
  })

  it('card data leaves a body as it is where every such field is null', async () => {
    const text = JSON.stringify({ event: 'reservation.created', data: empty }, null, 2)
    assert.equal((await store(text)).body, text)
    const spaced = '{"data":{"cvc" : null,"\\u0063cNumber":null, "note":"\\"cvc\\":1", "text":"cvc"}}'
    assert.equal((await store(spaced)).body, spaced)
  })

  it('card data is nowhere in what is logged', () => {
    assert.doesNotMatch(system.logged.join(''), /4111111111111111/)
  })
})
