import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createControlClient } from '../../../sandbox/control-client.ts'
import { startSandbox } from '../../../sandbox/start-sandbox.ts'
import { openHostawayClient } from '../../support/hostaway-client.ts'

const accountId = '10001'
const apiKey = 'sandbox-key-10001'

async function openBoth(context: TestContext, sandboxLimits: string, profile?: string) {
  const sandbox = await startSandbox({ port: 0, tokenDelayMs: 0, rateLimitProfile: sandboxLimits })
  context.after(() => sandbox.close())
  const control = createControlClient(sandbox.controlUrl)
  const { client } = await openHostawayClient(context, {
    apiUrl: sandbox.apiUrl,
    ...(profile === undefined ? {} : { profile }),
  })
  const { accessToken: token } = await client.requestAccessToken({ accountId, apiKey })
  return { control, client, call: { accountId, token, urgency: 'urgent' } as const }
}

test('everything that is asked of Hostaway is understood by the stand-in and its answers by us', async (context) => {
  const { client, control, call } = await openBoth(context, 'off')
  await client.checkAccess(call)
  const listings = await client.listListings(call)
  assert.equal(listings.length, 6)
  assert.deepEqual(
    listings.flatMap(({ problems }) => problems),
    [],
  )
  assert.deepEqual(new Set(listings.map(({ currency }) => currency)).has('KWD'), true)
  const units = await Promise.all(listings.map(({ id }) => client.listListingUnits(call, id)))
  assert.deepEqual(
    units
      .map((rows) => rows.length)
      .toSorted()
      .at(-1),
    3,
  )

  const [listing] = listings
  assert.ok(listing)
  const booked = await control.book(Number(accountId), { listingMapId: Number(listing.id) })
  const reservation = await client.getReservation(call, String(booked.id))
  assert.deepEqual(reservation.problems, [])
  assert.deepEqual([reservation.listingId, reservation.bookingStatus], [listing.id, 'confirmed'])
  assert.ok(reservation.updatedOn)
  const page = await client.listReservationsPage(call, { limit: 10 })
  assert.deepEqual([page.reservations.map(({ id }) => id), page.last], [[reservation.id], true])
  await assert.rejects(client.getReservation(call, '999999999'), { kind: 'not_found' })

  const days = { startDate: '2031-05-01', endDate: '2031-05-03' }
  const written = await client.putCalendar(call, listing.id, { ...days, isAvailable: false, price: '150' })
  assert.deepEqual(
    written.map(({ date, status }) => [date, status]),
    [
      ['2031-05-01', 'blocked'],
      ['2031-05-02', 'blocked'],
      ['2031-05-03', 'blocked'],
    ],
  )
  await client.putCalendarIntervals(call, listing.id, [{ ...days, isAvailable: true, minimumStay: 3 }])
  const read = await client.getCalendar(call, listing.id, '2031-05-03', '2031-05-04')
  assert.deepEqual(read.map(({ isAvailable, minimumStay }) => [isAvailable, minimumStay])[0], [true, 3])

  const target = { url: 'http://127.0.0.1:1/hook', login: 'u', password: 'p', alertingEmailAddress: null }
  const webhook = await client.createWebhook(call, target)
  assert.deepEqual(await client.listWebhooks(call), [webhook])
  await client.updateWebhook(call, webhook.id, { ...target, url: 'http://127.0.0.1:1/other' })
  await client.deleteWebhook(call, webhook.id)
  assert.deepEqual(await client.listWebhooks(call), [])

  await client.revokeAccessToken({ accountId, token: call.token })
  await assert.rejects(client.checkAccess(call), { kind: 'forbidden' })
  await assert.rejects(client.requestAccessToken({ accountId, apiKey: 'wrong' }), {
    kind: 'credentials_rejected',
  })
})

test('hammering within the same limits is never answered 429', async (context) => {
  const { client, control, call } = await openBoth(context, '12/2s,9/1s', 'custom:12/2s,9/1s')
  const patient = { ...call, maxWaitMs: 60_000 }
  await Promise.all(Array.from({ length: 40 }, () => client.checkAccess(patient)))
  assert.equal((await control.rateLimits()).refused, 0)
})

test('a 429 that comes all the same is waited out', async (context) => {
  const { client, control, call } = await openBoth(context, '4/1s,4/1s')
  await Promise.allSettled(Array.from({ length: 12 }, () => client.checkAccess(call)))
  const { refused } = await control.rateLimits()
  assert.ok(refused > 0)
  await client.checkAccess({ ...call, maxWaitMs: 60_000 })
  assert.equal((await control.rateLimits()).refused, refused)
})
