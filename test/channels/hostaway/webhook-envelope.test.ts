import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WebhookEnvelope } from '../../../src/channels/contract/webhook.ts'
import { isRegistrationPing, parseWebhookBody } from '../../../src/channels/hostaway/wire/webhook-envelope.ts'

function eventOf(body: unknown): WebhookEnvelope {
  const parsed = parseWebhookBody(body)
  assert.ok(parsed.ok)
  return parsed.event
}

test('the envelope that Hostaway sends', () => {
  const data = { id: 31, status: 'new' }
  const body = { object: 'reservation', event: 'reservation.created', accountId: 10_001, data }
  assert.deepEqual(eventOf(body), {
    eventType: 'reservation.created',
    sourceEvent: 'reservation.created',
    accountId: '10001',
    objectId: '31',
    data,
    timestamp: null,
  })
})

test('the other envelopes in use', () => {
  const timestamp = '2027-01-03T11:22:33Z'
  assert.deepEqual(
    eventOf({ eventType: 'reservation.updated', timestamp, accountId: 'account_1', data: { id: 'res_2' } }),
    {
      eventType: 'reservation.updated',
      sourceEvent: 'reservation.updated',
      accountId: 'account_1',
      objectId: 'res_2',
      data: { id: 'res_2' },
      timestamp: new Date(timestamp),
    },
  )
  const nested = eventOf({ event: 'reservation.updated', payload: { data: { id: 5 } } })
  assert.deepEqual([nested.objectId, nested.data], ['5', { id: 5 }])
  const bare = eventOf({ event: 'reservation created', object: 'reservation', objectId: 77 })
  assert.deepEqual([bare.eventType, bare.objectId, bare.data], ['reservation.created', '77', null])
})

const spellings: Array<[unknown, string]> = [
  ['reservation created', 'reservation.created'],
  ['Reservation.Updated', 'reservation.updated'],
  ['RESERVATION_CANCELLED', 'reservation.cancelled'],
  [' message.created ', 'message.received'],
  ['message.received', 'message.received'],
  ['listing.deleted', 'listing.deleted'],
  ['task.updated', 'task.updated'],
  ['reservation.exploded', 'other'],
  ['other', 'other'],
  ['toString', 'other'],
  ['', 'other'],
  [7, 'other'],
  [undefined, 'other'],
]
for (const [sent, eventType] of spellings) {
  test(`the event ${JSON.stringify(sent)} counts as ${eventType}`, () => {
    assert.equal(eventOf({ event: sent }).eventType, eventType)
  })
}

test('the event is kept as sent, without what cannot be stored', () => {
  assert.equal(eventOf({ event: 'Booking Made!' }).sourceEvent, 'Booking Made!')
  assert.equal(eventOf({ event: 'a\u0000b' }).sourceEvent, 'ab')
  assert.equal(eventOf({ event: 'x'.repeat(5_000) }).sourceEvent?.length, 100)
  assert.equal(eventOf({ event: null, eventType: 'task.created' }).sourceEvent, 'task.created')
})

test('the time of the envelope may be text, seconds or milliseconds', () => {
  const expected = '2027-01-03T11:22:33.000Z'
  for (const timestamp of [
    1_798_975_353,
    1_798_975_353_000,
    '1798975353',
    '1798975353000',
    '2027-01-03 11:22:33',
    expected,
  ]) {
    assert.equal(eventOf({ timestamp }).timestamp?.toISOString(), expected, String(timestamp))
  }
  for (const timestamp of [0, -5, 1e300, Number.NaN, 'soon', {}, null, true]) {
    assert.equal(eventOf({ timestamp }).timestamp, null, String(timestamp))
  }
})

test('the id of the body wins over the one beside it', () => {
  assert.equal(eventOf({ objectId: 1, data: { id: 2 } }).objectId, '2')
  assert.equal(eventOf({ objectId: 1, data: { id: 'a b' } }).objectId, '1')
  assert.equal(eventOf({ data: { hostawayReservationId: '9' } }).objectId, '9')
})

test('only an object is a webhook', () => {
  for (const body of [null, undefined, 'text', 5, true, [], [{ event: 'reservation.created' }]]) {
    assert.equal(parseWebhookBody(body).ok, false)
  }
})

test('names of the prototype are neither data nor ids', () => {
  const body: unknown = JSON.parse(
    '{"__proto__":{"event":"reservation.created","data":{"id":1},"accountId":5}}',
  )
  const event = eventOf(body)
  assert.deepEqual([event.eventType, event.data, event.accountId], ['other', null, null])
  assert.equal(({} as Record<string, unknown>).event, undefined)
})

test('exactly {"data":"test"} is the ping of a registration, with any white space', () => {
  for (const ping of [
    '{"data":"test"}',
    ' {\r\n"data" :\t"test" } ',
    `${' '.repeat(9_000)}{"data":"test"}`,
  ]) {
    assert.ok(isRegistrationPing(ping))
  }
  for (const text of [
    '{"data":"test","event":"x"}',
    '{"event":"x","data":"test"}',
    '{"data":"tests"}',
    '{"data":"test"}}',
    '{"data":"test"}\u00a0',
    '{}',
    '',
    'null',
    '"test"',
    '["test"]',
  ]) {
    assert.ok(!isRegistrationPing(text))
  }
})
