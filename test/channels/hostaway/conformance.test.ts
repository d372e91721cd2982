import { createControlClient } from '../../../sandbox/control-client.ts'
import { startSandbox } from '../../../sandbox/start-sandbox.ts'
import { createHostawayChannel } from '../../../src/channels/hostaway/hostaway-channel.ts'
import { inDays } from '../../support/desired-events.ts'
import { openHostawayClient } from '../../support/hostaway-client.ts'
import { conformsToContract } from '../conformance.ts'

conformsToContract('Hostaway', async (context) => {
  const sandbox = await startSandbox({ port: 0, tokenDelayMs: 0, rateLimitProfile: 'off' })
  context.after(() => sandbox.close())
  const control = createControlClient(sandbox.controlUrl)
  const { limiter, breaker, metrics, log } = await openHostawayClient(context, { apiUrl: sandbox.apiUrl })
  const { channel, close } = createHostawayChannel({
    apiUrl: sandbox.apiUrl,
    timeoutMs: 5_000,
    limiter,
    breaker,
    metrics,
    log,
  })
  context.after(async () => close())
  const account = { accountId: '10001', apiKey: 'sandbox-key-10001' }
  const { listings } = await control.state(10001)
  const listing = listings[0]?.listing.id ?? 0
  return {
    channel,
    account,
    listingId: String(listing),
    day: (offset) => inDays(500 + offset),
    book: async () => String((await control.book(10001, { listingMapId: listing, silent: true })).id),
    rename: async (id, guestName) =>
      void (await control.change(10001, Number(id), { guestName, silent: true })),
    webhookOf: ({ source }) => ({
      object: 'reservation',
      event: 'reservation.updated',
      accountId: 10001,
      data: source,
    }),
    headersOf: ({ login, password }) => ({
      authorization: `Basic ${Buffer.from(`${login}:${password}`).toString('base64')}`,
    }),
    async setDown(isDown) {
      if (isDown) await control.injectFault({ kind: 'status', status: 503 })
      else await control.clearFaults()
    },
  }
})
