import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { BookingView } from '../../src/bookings/booking-view.ts'
import { desired, fastTimes, inDays, whenPushed } from '../support/desired-events.ts'
import { eventually } from '../support/eventually.ts'
import { startTestSystem } from '../support/test-system.ts'
import { conformsToContract } from './conformance.ts'
import { createInMemoryChannel } from './in-memory-channel.ts'

conformsToContract('a channel in memory', async () => {
  const { channel, account, world } = createInMemoryChannel()
  let booked = 0
  return {
    channel,
    account,
    listingId: '71',
    day: (offset) => inDays(400 + offset),
    async book() {
      booked += 1
      world.book(`g${booked}`, {
        property: '71',
        state: 'booked',
        from: inDays(30 * booked),
        until: inDays(30 * booked + 3),
        guest: 'Ada Example',
        total: 300,
        currency: 'EUR',
      })
      return `g${booked}`
    },
    rename: async (id, guest) => void world.book(id, { guest }),
    webhookOf: ({ source }) => ({ kind: 'booking', booking: source }),
    headersOf: ({ login, password }) => ({ authorization: `Secret ${login} ${password}` }),
    setDown: async (isDown) => world.setDown(isDown),
  }
})

it('another channel takes a booking from its webhook to the calendar, and one of TVL to the channel', async (t) => {
  const { channel, account, world } = createInMemoryChannel()
  const system = await startTestSystem(t, { channels: [channel], outboundTimes: fastTimes })
  const { id: connectionId } = await system.connect({
    channel: 'memory',
    accountId: Number(account.accountId),
    apiKey: account.apiKey,
  })
  const { url, authorization } = world.hook()
  assert.ok(url.endsWith(`/webhooks/memory/${connectionId}`))

  const body = world.book('g1', {
    property: '71',
    state: 'booked',
    from: inDays(30),
    until: inDays(33),
    guest: 'Ada Example',
    total: 300,
    currency: 'EUR',
  })
  const send = (headers: Record<string, string>) =>
    fetch(new URL(new URL(url).pathname, system.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  assert.equal((await send({ authorization: 'Secret of another' })).status, 401)
  assert.equal((await send({ authorization })).status, 200)

  const bookings = async () =>
    (await system.api<{ data: BookingView[] }>('GET', `/v1/bookings?connection=${connectionId}`)).body.data
  const booking = await eventually(async () => {
    const [found] = await bookings()
    assert.ok(found)
    return found
  })
  assert.deepEqual(
    [booking.channel, booking.externalId, booking.unitId, booking.status, booking.sourceStatus],
    ['memory', 'g1', 'memory-71', 'confirmed', 'booked'],
  )
  assert.deepEqual([booking.guest.name, booking.amount.minor], ['Ada Example', 30_000])
  const { body: feed } = await system.api<{ data: Array<{ type: string }> }>('GET', '/v1/feed')
  const types = feed.data.map(({ type }) => type)
  assert.ok(types.includes('booking.created') && types.includes('availability.blocked'), types.join())

  const night = inDays(60)
  await desired(system, {
    type: 'availability.updated',
    unitId: 'memory-72',
    ranges: [{ from: night, to: night, available: false, minStay: 3 }],
  })
  await whenPushed(system)
  const token = (await channel.access.issue(account, 0)).token
  const call = { accountId: account.accountId, token, urgency: 'urgent' } as const
  const [held] = (await channel.calendar?.read(call, '72', night, night)) ?? []
  assert.deepEqual([held?.status, held?.minimumStay], ['blocked', 3])

  const made = await system.api<BookingView>('POST', '/v1/bookings?tenant=demo', {
    unitId: 'memory-72',
    checkIn: inDays(70),
    checkOut: inDays(72),
    guest: { name: 'Grace Example' },
  })
  assert.equal(made.status, 201, made.text)
  await eventually(async () => {
    const { body: shown } = await system.api<BookingView>('GET', `/v1/bookings/${made.body.id}`)
    assert.match(shown.externalId ?? '', /^m\d+$/)
  })
})
