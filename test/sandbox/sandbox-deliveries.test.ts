import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { SandboxSettings } from '../../sandbox/settings.ts'
import type { UnifiedWebhook, WebhookLogEntry } from '../../sandbox/webhook-records.ts'
import { accountId, openReceiver, openSandbox, until } from './sandbox-fixture.ts'

async function openHook(t: TestContext, settings: Partial<SandboxSettings> = {}) {
  const opened = await openSandbox(t, settings)
  const receiver = await openReceiver(t)
  const registered = await opened.api<UnifiedWebhook>('POST', '/webhooks/unifiedWebhooks', {
    isEnabled: 1,
    url: receiver.url,
    login: 'user',
    password: 'secret',
  })
  await opened.control.whenDelivered()
  return { ...opened, receiver, webhook: registered.body.result }
}

test('a new webhook is pinged, listed, changed and deleted', async (t) => {
  const { api, control, receiver, webhook } = await openHook(t)
  assert.deepEqual(
    receiver.received.map(({ text }) => text),
    ['{"data":"test"}'],
  )
  const path = `/webhooks/unifiedWebhooks/${webhook.id}`
  assert.equal((await api<UnifiedWebhook[]>('GET', '/webhooks/unifiedWebhooks')).body.result.length, 1)
  assert.equal((await api<UnifiedWebhook>('GET', path)).body.result.url, receiver.url)
  const changed = await api<UnifiedWebhook>('PUT', path, { ...webhook, isEnabled: 0 })
  assert.equal(changed.body.result.isEnabled, 0)
  await control.book(accountId)
  await control.whenDelivered()
  assert.equal(receiver.events().length, 0)
  assert.deepEqual((await api('DELETE', path)).body, { status: 'success', result: [] })
  assert.equal((await api('GET', path)).status, 404)
  assert.equal((await api('POST', '/webhooks/unifiedWebhooks', { url: 'nowhere' })).body.status, 'fail')
})

test('a guest books, changes and cancels: created, updated, updated, with Basic auth and escaped slashes', async (t) => {
  const { control, receiver } = await openHook(t)
  const { id } = await control.book(accountId)
  await control.whenDelivered()
  await control.change(accountId, id, { numberOfGuests: 4 })
  await control.whenDelivered()
  await control.cancel(accountId, id)
  await control.whenDelivered()
  const events = receiver.events()
  assert.deepEqual(
    events.map(({ event, data }) => [event, data.status]),
    [
      ['reservation.created', 'new'],
      ['reservation.updated', 'modified'],
      ['reservation.updated', 'cancelled'],
    ],
  )
  for (const { authorization, text, data } of events) {
    assert.equal(authorization, `Basic ${Buffer.from('user:secret').toString('base64')}`)
    assert.ok(text.startsWith(`{"object":"reservation","event":"`))
    assert.ok(text.includes('https:\\/\\/guests.example.com'))
    assert.deepEqual([data.id, data.reservationUnit, data.hostawayReservationId], [id, [], String(id)])
    assert.equal(Object.keys(data).length, 137)
  }
})

test('messages and tasks are announced', async (t) => {
  const { api, control, receiver } = await openHook(t)
  const { id } = await control.book(accountId)
  await control.sendMessage(accountId, id, { body: 'Where is the key?' })
  await control.sendMessage(accountId, id, { body: 'Under the mat', isIncoming: false })
  const task = await control.createTask(accountId, { title: 'Clean', reservationId: id })
  await control.whenDelivered()
  await control.changeTask(accountId, task.id, { status: 'completed' })
  await control.whenDelivered()
  const events = receiver.events().map(({ event }) => event)
  assert.deepEqual(events.toSorted(), [
    'message.received',
    'reservation.created',
    'task.created',
    'task.updated',
  ])
  const message = receiver.events().find(({ event }) => event === 'message.received')
  assert.deepEqual([message?.data.reservationId, message?.data.body], [id, 'Where is the key?'])
  const conversations = await api<{ id: number }[]>('GET', `/conversations?reservationId=${id}`)
  const messages = await api<unknown[]>('GET', `/conversations/${conversations.body.result[0]?.id}/messages`)
  assert.equal(messages.body.result.length, 2)
})

test('5xx, 429 and silence are retried with the same body, at most three times', async (t) => {
  const { control, receiver } = await openHook(t, { deliveryTimeoutMs: 500, timeScale: 0.0002 })
  receiver.statuses.push(500, 429, 0)
  const { id } = await control.book(accountId)
  await control.whenDelivered()
  assert.equal(new Set(receiver.events().map(({ text }) => text)).size, 1)
  const [delivery] = await control.deliveries({ objectId: id })
  assert.equal(delivery?.state, 'delivered')
  assert.deepEqual(
    delivery?.attempts.map(({ status }) => status),
    [500, 429, null, 200],
  )
  receiver.statuses.push(503, 503, 503, 503, 503)
  const other = await control.book(accountId)
  await control.whenDelivered()
  const [failed] = await control.deliveries({ objectId: other.id })
  assert.deepEqual([failed?.state, failed?.attempts.length], ['failed', 4])
})

test('any other answer is final, and the log says what was answered', async (t) => {
  const { api, control, receiver, webhook } = await openHook(t)
  receiver.statuses.push(404)
  const { id } = await control.book(accountId)
  await control.whenDelivered()
  const [delivery] = await control.deliveries({ objectId: id })
  assert.deepEqual([delivery?.state, delivery?.attempts.length], ['failed', 1])
  const logs = await api<WebhookLogEntry[]>('GET', `/unifiedWebhookLogs?unifiedWebhookId=${webhook.id}`)
  assert.deepEqual(
    logs.body.result.map((entry) => [entry.objectId, entry.event, entry.responseStatus, entry.password]),
    [[id, 'reservation.created', 404, '****']],
  )
})

test('an endpoint that fails for too long is disabled', async (t) => {
  const { api, control, receiver, webhook } = await openHook(t, { disableAfterMs: 0 })
  receiver.statuses.push(404, 404)
  await control.book(accountId)
  await control.whenDelivered()
  await control.book(accountId)
  await control.whenDelivered()
  const { body } = await api<UnifiedWebhook>('GET', `/webhooks/unifiedWebhooks/${webhook.id}`)
  assert.equal(body.result.isEnabled, 0)
})

test('held deliveries come out one after another in the order asked for', async (t) => {
  const { control, receiver } = await openHook(t)
  await control.holdDeliveries(accountId)
  const { id } = await control.book(accountId)
  await control.change(accountId, id, { numberOfGuests: 4 })
  await control.cancel(accountId, id)
  assert.equal(await control.pendingDeliveries(), 0)
  const held = await control.deliveries({ state: 'held' })
  assert.deepEqual(await control.releaseDeliveries(accountId, [held[1]?.id ?? 0]), { released: 1 })
  await control.whenDelivered()
  assert.deepEqual(await control.releaseDeliveries(accountId, 'reversed'), { released: 2 })
  await control.whenDelivered()
  assert.deepEqual(
    receiver.events().map(({ data }) => data.status),
    ['modified', 'cancelled', 'new'],
  )
  await control.book(accountId)
  await control.whenDelivered()
  assert.equal(receiver.events().length, 4)
})

test('a delivery can be repeated byte for byte, and every event can be sent twice', async (t) => {
  const { control, receiver } = await openHook(t)
  const { id } = await control.book(accountId)
  await control.whenDelivered()
  const [delivery] = await control.deliveries({ objectId: id })
  await control.change(accountId, id, { guestNote: 'x', silent: true })
  await control.deliverAgain(delivery?.id ?? 0, 2)
  await control.whenDelivered()
  assert.equal(receiver.events().length, 3)
  assert.equal(new Set(receiver.events().map(({ text }) => text)).size, 1)
  await control.setSwitches({ extraDeliveries: 1 })
  await control.cancel(accountId, id)
  await control.whenDelivered()
  assert.equal(receiver.events().length, 5)
})

test('a body of any kind can be delivered', async (t) => {
  const { control, receiver } = await openHook(t)
  await control.deliverCustom(accountId, { body: { event: 'listing.exploded', accountId, data: {} } })
  await control.deliverCustom(accountId, { body: 'not json' })
  await control.whenDelivered()
  assert.ok(receiver.received.some(({ event }) => event === 'listing.exploded'))
  assert.ok(receiver.received.some(({ text }) => text === 'not json'))
})

test('a GET probe is sent when switched on, and a failed ping does not stop the registration', async (t) => {
  const { api, control } = await openSandbox(t)
  const receiver = await openReceiver(t)
  await control.setSwitches({ probeWithGet: true })
  await api('POST', '/webhooks/unifiedWebhooks', { isEnabled: 1, url: receiver.url })
  await until(() => receiver.received.length === 2)
  assert.deepEqual(receiver.received.map(({ method }) => method).toSorted(), ['GET', 'POST'])
  assert.ok(receiver.received.every(({ authorization }) => authorization === undefined))
  const dead = await api('POST', '/webhooks/unifiedWebhooks', { isEnabled: 1, url: 'http://127.0.0.1:1/x' })
  assert.equal(dead.body.status, 'success')
})

test('closing does not wait for retries', async (t) => {
  const { sandbox, control, receiver } = await openHook(t, { timeScale: 1 })
  receiver.statuses.push(500)
  await control.book(accountId)
  await until(async () => (await control.deliveries({ state: 'retrying' })).length === 1)
  const startedAt = Date.now()
  await sandbox.close()
  assert.ok(Date.now() - startedAt < 2_000)
})
