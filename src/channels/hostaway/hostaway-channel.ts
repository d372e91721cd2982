import type { BreakerState } from '../../platform/telemetry/metrics.ts'
import type { Channel, IssuedToken } from '../contract/channel.ts'
import type { CallerOptions } from './caller.ts'
import { createHostawayClient, type HostawayClient } from './client.ts'
import { isAuthentic, mayBeAuthentic } from './webhook-auth.ts'
import { isHostsToChange } from './wire/outgoing-fields.ts'
import { isRegistrationPing, parseWebhookBody } from './wire/webhook-envelope.ts'
import { deviationsOf } from './wire/webhook-registration.ts'
import { maxIntervalsPerCall } from './wire/wire-calendar.ts'
import { reservationFormat } from './wire/wire-reservation.ts'

// Hostaway asks to wait a second before a new token is used; an earlier call may answer 403.
const usableAfterMs = 1_100
const maxMarginMs = 300_000

export type HostawayOptions = CallerOptions & {
  breaker: CallerOptions['breaker'] & { state(): BreakerState }
}

/** Hostaway as a channel, and how to close its idle connections; calls in flight continue. */
export function createHostawayChannel(options: HostawayOptions): { channel: Channel; close: () => void } {
  const client = createHostawayClient(options)
  return { channel: hostawayChannel(client, options.breaker.state), close: client.close }
}

function hostawayChannel(client: HostawayClient, breakerState: () => BreakerState): Channel {
  return {
    name: 'hostaway',
    title: 'Hostaway',
    format: reservationFormat,
    access: {
      keyHint: 'create a key in Hostaway under Settings → Hostaway API',
      issue: (credentials, maxWaitMs) => issueToken(client, credentials, maxWaitMs),
      revoke: (token, maxWaitMs) => client.revokeAccessToken({ ...token, maxWaitMs }),
      check: client.checkAccess,
    },
    health: { breakerState },
    webhooks: {
      isAuthentic,
      mayBeAuthentic,
      isProbe: (rawBody) => isRegistrationPing(rawBody.toString('latin1')),
      parse: parseWebhookBody,
      list: client.listWebhooks,
      create: client.createWebhook,
      update: client.updateWebhook,
      remove: client.deleteWebhook,
      deviations: deviationsOf,
      deliveryStatuses: client.listDeliveryStatuses,
    },
    reservations: { page: client.listReservationsPage, read: client.getReservation },
    listings: { list: client.listListings, read: client.getListing, update: client.updateListing },
    calendar: {
      maxIntervals: maxIntervalsPerCall,
      read: client.getCalendar,
      async push(call, listingId, intervals) {
        const [only] = intervals
        if (intervals.length === 1 && only !== undefined) await client.putCalendar(call, listingId, only)
        else await client.putCalendarIntervals(call, listingId, intervals)
      },
    },
    bookingWrites: {
      mayChange: isHostsToChange,
      create: client.createReservation,
      change: client.updateReservation,
      cancel: client.cancelReservation,
      findByMarker: client.findReservationsByMarker,
      findByArrival: client.findReservationsByArrival,
    },
    hangUp: client.hangUp,
  }
}

async function issueToken(
  client: HostawayClient,
  credentials: { accountId: string; apiKey: string; countedFor?: string },
  maxWaitMs: number,
): Promise<IssuedToken> {
  const { accessToken, expiresInSeconds } = await client.requestAccessToken({ ...credentials, maxWaitMs })
  const now = Date.now()
  const lifetimeMs = expiresInSeconds * 1_000
  return {
    token: accessToken,
    usableAt: new Date(now + usableAfterMs),
    expiresAt: new Date(now + lifetimeMs - Math.min(maxMarginMs, lifetimeMs / 10)),
  }
}
