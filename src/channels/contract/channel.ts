import type { WebhookAuth } from '../../platform/db/tables.ts'
import { AppError } from '../../platform/errors.ts'
import type { Urgency } from '../../platform/limiter/call-admission.ts'
import type { BreakerState } from '../../platform/telemetry/metrics.ts'
import type { CalendarDay, CalendarInterval } from './calendar.ts'
import type { Listing } from './listing.ts'
import type { Reservation, ReservationFormat } from './reservation.ts'
import type { ReservationDraft, ReservationFields } from './reservation-draft.ts'
import type { ParsedWebhook, WebhookDeviation, WebhookRegistration, WebhookTarget } from './webhook.ts'

/**
 * How a call is made. `maxWaitMs` (default 0): how long to wait here for a place in the rate limit. `startBefore`: by
 * `performance.now()`; a call that was held up beyond it, in a frozen process for example, is not made.
 */
export type CallOptions = { urgency: Urgency; maxWaitMs?: number; startBefore?: number }

/** On whose behalf a call is made. The token is what the channel has issued; only the channel reads it. */
export type CallContext = CallOptions & { accountId: string; token: string }

/** A token with when it may first be used and from when on it is to be replaced. */
export type IssuedToken = { token: string; usableAt: Date; expiresAt: Date }

export type BasicCredentials = { login: string; password: string }

/** A secret that was replaced and is still accepted; `until` is an instant in ISO 8601. */
export type FormerSecret = { secret: string; until: string }

/** What a connection accepts webhooks by. Never changed once it is made, only replaced. */
export type WebhookSecrets = {
  webhookAuth: WebhookAuth
  login: string | null
  password: string | null
  hmacSecret: string | null
  /** Accepted as well, while the credentials are being replaced. */
  nextCredentials: BasicCredentials | undefined
  formerSecrets: FormerSecret[]
}

/** Headers of a request, by their names in lower case. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>

/**
 * `afterId` continues behind a reservation; the newest change comes first. The two days take only stays that end on or
 * after the one and begin on or before the other.
 */
export type ReservationPageRequest = {
  limit: number
  afterId?: string
  departureStartDate?: string
  arrivalEndDate?: string
}

export type ReservationPage = {
  reservations: Reservation[]
  /** Rows without a usable id: they are not in `reservations`. */
  unreadable: number
  /** The page size that the channel used, if it said so. */
  limit: number | undefined
  /** How many there are over all pages, if the channel said so. */
  count: number | undefined
  last: boolean
}

export type AccessCapability = {
  /** Where a person makes a key, as the end of a sentence. */
  keyHint: string
  /**
   * Exchanges a key for a token; throws `credentials_rejected`. Safe to repeat: an older token stays valid. A key that is
   * not known to be the account's must not use up the account's window: `countedFor` names another one.
   */
  issue(
    credentials: { accountId: string; apiKey: string; countedFor?: string },
    maxWaitMs: number,
  ): Promise<IssuedToken>
  /** Makes a token worthless; safe to repeat. */
  revoke(token: { accountId: string; token: string }, maxWaitMs: number): Promise<void>
  /** Reads as little as possible: whether the token is good for plain reading. Throws `forbidden` when it is not. */
  check(call: CallContext): Promise<void>
}

export type WebhookCapability = {
  /** Whether a webhook certainly comes from the holder of the secrets. `rawBody` are the bytes received. */
  isAuthentic(secrets: WebhookSecrets, headers: RequestHeaders, rawBody: Buffer, now?: number): boolean
  /** Whether a webhook with these headers can be authentic at all, before its body is read; secrets undefined: of any connection. */
  mayBeAuthentic(secrets: WebhookSecrets | undefined, headers: RequestHeaders, now?: number): boolean
  /** Whether a body is only the channel's test of an address; cheap for any other one. */
  isProbe(rawBody: Buffer): boolean
  /** Reads what was delivered; refuses only what is no object. Total: it never throws. */
  parse(body: unknown): ParsedWebhook
  /** All webhooks of the account, those of others included. */
  list(call: CallContext): Promise<WebhookRegistration[]>
  /** Not safe to repeat: look with `list` first. */
  create(call: CallContext, target: WebhookTarget): Promise<WebhookRegistration>
  /** Replaces a webhook and enables it; safe to repeat. Throws `not_found`. */
  update(call: CallContext, id: string, target: WebhookTarget): Promise<WebhookRegistration>
  /** Throws `not_found` when it is gone already. */
  remove(call: CallContext, id: string): Promise<void>
  /** In what a registered webhook is not as it should be; none where it is. */
  deviations(registration: WebhookRegistration, target: WebhookTarget): WebhookDeviation[]
  /** How the channel's last deliveries to a webhook were answered; null where nothing was answered. */
  deliveryStatuses(call: CallContext, id: string): Promise<Array<number | null>>
}

export type ReservationCapability = {
  /** One page with everything that belongs to each reservation; rows may move between pages while paging. */
  page(call: CallContext, request: ReservationPageRequest): Promise<ReservationPage>
  /** One reservation with everything that belongs to it; throws `not_found`. */
  read(call: CallContext, id: string): Promise<Reservation>
}

export type ListingCapability = {
  /** All listings of the account, each once; `maxWaitMs` holds for every page. */
  list(call: CallContext): Promise<Listing[]>
  /** Throws `not_found`. */
  read(call: CallContext, id: string): Promise<Listing>
  /**
   * Changes the named details and nothing else; returns the listing as the answer shows it, undefined where it shows
   * none. Safe to repeat. Throws `not_found`.
   */
  update(
    call: CallContext,
    id: string,
    details: Record<string, string | number>,
  ): Promise<Listing | undefined>
}

export type CalendarCapability = {
  /** So many intervals fit into one call of `push`. */
  maxIntervals: number
  /** The nights from `from` to `to`, both included, as `YYYY-MM-DD`. */
  read(call: CallContext, listingId: string, from: string, to: string): Promise<CalendarDay[]>
  /** Writes intervals in one call; safe to repeat. Throws `invalid_payload` for more than `maxIntervals`. */
  push(call: CallContext, listingId: string, intervals: CalendarInterval[]): Promise<void>
}

export type BookingWriteCapability = {
  /** Whether the host may change a reservation through the channel; any other is changed where it was booked. Pure. */
  mayChange(reservation: Reservation): boolean
  /**
   * Makes a reservation on nights that are free. Not safe to repeat: after anything but a clear answer look with
   * `findByMarker` first. Throws `rejected` where the channel does not want it.
   */
  create(call: CallContext, draft: ReservationDraft): Promise<Reservation>
  /** Changes the named fields and nothing else; safe to repeat. Throws `not_found`, `rejected`. */
  change(call: CallContext, id: string, fields: ReservationFields): Promise<Reservation>
  /** Cancels on behalf of the host; safe to repeat. Throws `not_found`, `rejected`. */
  cancel(call: CallContext, id: string): Promise<Reservation>
  /** The reservations of a listing that carry this marker, the one made first at the front. */
  findByMarker(
    call: CallContext,
    wanted: Pick<ReservationDraft, 'listingId' | 'marker'>,
  ): Promise<Reservation[]>
  /** The reservations of a listing that begin on a day, the one made first at the front. */
  findByArrival(call: CallContext, wanted: { listingId: string; arrivalDate: string }): Promise<Reservation[]>
}

/**
 * A system that sells nights for the tenants. Every failure is an AppError of a kind that says what follows, and none
 * carries a secret; `rate_limited` and `breaker_open` carry the moment of the next try as `retryAt`. Limits, breaker and time-outs
 * are the channel's own. A capability that a channel does not have is left out.
 */
export type Channel = {
  /** As it stands in rows and addresses. */
  name: string
  /** As people read it. */
  title: string
  format: ReservationFormat
  access: AccessCapability
  health: { breakerState(): BreakerState }
  webhooks?: WebhookCapability
  reservations?: ReservationCapability
  listings?: ListingCapability
  calendar?: CalendarCapability
  bookingWrites?: BookingWriteCapability
  /** Breaks off the calls under way, which fail with `shutting_down`: the process is about to end. */
  hangUp(): void
}

export type CapabilityName = 'webhooks' | 'reservations' | 'listings' | 'calendar' | 'bookingWrites'

/** What a channel can do; throws `rejected` where it cannot. */
export function capabilityOf<Name extends CapabilityName>(
  channel: Channel,
  name: Name,
): NonNullable<Channel[Name]> {
  const capability = channel[name]
  if (capability == null) throw new AppError('rejected', `${channel.title} does not support ${name}`)
  return capability
}

/** The channels that this installation speaks to. */
export type Channels = {
  all: readonly Channel[]
  /** The channel of a connection that names none. */
  standard: Channel
  /** Throws where there is no channel of that name. */
  of(name: string): Channel
}

/** The first channel is the standard one. */
export function createChannels(all: readonly [Channel, ...Channel[]]): Channels {
  const byName = new Map(all.map((channel) => [channel.name, channel]))
  return {
    all,
    standard: all[0],
    of(name) {
      const channel = byName.get(name)
      if (channel === undefined) throw new AppError('unexpected', `There is no channel ${name}`)
      return channel
    },
  }
}
