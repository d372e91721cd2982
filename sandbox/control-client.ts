import type { AccountState, ListingState } from './account-state.ts'
import type { AccountRequest } from './accounts.ts'
import type { Call, CallFilter } from './call-journal.ts'
import type { FaultRequest, FaultRule } from './fault-injection.ts'
import type { JsonObject, JsonValue } from './json-text.ts'
import type { ListingRequest } from './listing-factory.ts'
import type { HistoryRequest } from './made-up-history.ts'
import type { RandomBookingsRequest } from './random-bookings.ts'
import type { WindowReport } from './rate-limits.ts'
import type { ChangeOptions } from './reservation-changes.ts'
import type { Reservation } from './reservation-factory.ts'
import type { ReleaseOrder } from './webhook-delivery.ts'
import type { Delivery } from './webhook-records.ts'
import type { Switches } from './world.ts'

type Fields = Record<string, JsonValue | undefined>

/** Any key of a reservation; without dates, free nights are found; without a listing, the first one is taken. */
export type BookingRequest = Fields &
  ChangeOptions & {
    listingMapId?: number
    channelId?: number
    arrivalDate?: string
    departureDate?: string
    /** Fills the card fields with test numbers. */
    withCard?: boolean
  }

export type ChangeRequest = Fields & ChangeOptions

export type DeliveryFilter = {
  accountId?: number
  event?: string
  state?: string
  objectId?: number
  afterId?: number
}

export type CustomEvent = {
  /** A text is sent as it is, anything else as JSON. */
  body: JsonValue
  event?: string
  object?: string
  objectId?: number
  listingMapId?: number
}

export type ControlClient = ReturnType<typeof createControlClient>

/** Speaks to a sandbox's control API. Every method rejects with the sandbox's own words when it refuses. */
export function createControlClient(controlUrl: string) {
  async function call(method: string, path: string, body?: unknown): Promise<Response> {
    const response = await fetch(`${controlUrl}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    if (!response.ok)
      throw new Error(`${method} /control${path}: ${response.status} ${await response.text()}`)
    return response
  }

  async function ask<Result>(method: string, path: string, body?: unknown): Promise<Result> {
    return (await call(method, path, body)).json() as Promise<Result>
  }

  async function tell(method: string, path: string, body?: unknown): Promise<void> {
    await (await call(method, path, body)).body?.cancel()
  }

  const reservationPath = (accountId: number, reservationId: number) =>
    `/accounts/${accountId}/reservations/${reservationId}`

  return {
    addAccount: (request: AccountRequest) => ask<AccountState>('POST', '/accounts', request),
    addListing: (accountId: number, request: ListingRequest) =>
      ask<Pick<ListingState, 'listing' | 'units'>>('POST', `/accounts/${accountId}/listings`, request),
    changeApiKey: (accountId: number, apiKey: string) => tell('PATCH', `/accounts/${accountId}`, { apiKey }),
    revokeTokens: (accountId: number) =>
      ask<{ tokens: number }>('POST', `/accounts/${accountId}/tokens/revoke`),
    expireTokens: (accountId: number) =>
      ask<{ tokens: number }>('POST', `/accounts/${accountId}/tokens/expire`),
    /** The whole account; `range` limits the calendar, both ends included. */
    state: (accountId: number, range?: { from: string; to: string }) =>
      ask<AccountState>('GET', `/accounts/${accountId}/state${queryText(range ?? {})}`),

    book: (accountId: number, request: BookingRequest = {}) =>
      ask<Reservation>('POST', `/accounts/${accountId}/reservations`, request),
    randomBookings: (accountId: number, request: RandomBookingsRequest) =>
      ask<Reservation[]>('POST', `/accounts/${accountId}/random-bookings`, request),
    /** Reservations from before the connection, without webhooks. Their ids follow each other. */
    makeHistory: (accountId: number, request: HistoryRequest) =>
      ask<{ count: number; firstId: number; lastId: number }>(
        'POST',
        `/accounts/${accountId}/history`,
        request,
      ),
    change: (accountId: number, reservationId: number, request: ChangeRequest) =>
      ask<Reservation>('PATCH', reservationPath(accountId, reservationId), request),
    cancel: (accountId: number, reservationId: number, request: ChangeRequest = {}) =>
      ask<Reservation>('POST', `${reservationPath(accountId, reservationId)}/cancel`, request),
    resurrect: (accountId: number, reservationId: number, request: ChangeRequest = {}) =>
      ask<Reservation>('POST', `${reservationPath(accountId, reservationId)}/resurrect`, request),
    remove: (accountId: number, reservationId: number) =>
      tell('DELETE', reservationPath(accountId, reservationId)),
    sendMessage: (
      accountId: number,
      reservationId: number,
      request: { body?: string; isIncoming?: boolean } = {},
    ) => ask<JsonObject>('POST', `${reservationPath(accountId, reservationId)}/messages`, request),
    createTask: (accountId: number, request: Fields & { title: string }) =>
      ask<JsonObject & { id: number }>('POST', `/accounts/${accountId}/tasks`, request),
    changeTask: (accountId: number, taskId: number, request: Fields) =>
      ask<JsonObject & { id: number }>('PATCH', `/accounts/${accountId}/tasks/${taskId}`, request),

    deliveries: (filter: DeliveryFilter = {}) => ask<Delivery[]>('GET', `/deliveries${queryText(filter)}`),
    /** Sends the very same body again. */
    deliverAgain: (deliveryId: number, times = 1) =>
      ask<Delivery[]>('POST', `/deliveries/${deliveryId}/again`, { times }),
    /** Sends a body of your own to every enabled endpoint of the account. */
    deliverCustom: (accountId: number, event: CustomEvent) =>
      ask<Delivery[]>('POST', `/accounts/${accountId}/events`, event),
    holdDeliveries: (accountId: number) => tell('POST', `/accounts/${accountId}/deliveries/hold`),
    /** Sends what is held, one after another. A list of ids sends those only and keeps holding the rest. */
    releaseDeliveries: (accountId: number, order: ReleaseOrder = 'given') =>
      ask<{ released: number }>('POST', `/accounts/${accountId}/deliveries/release`, { order }),
    pendingDeliveries: async () => (await ask<{ pending: number }>('GET', '/deliveries/pending')).pending,
    /** Waits until no delivery is waiting, under way or due for a retry; those held back do not count. */
    async whenDelivered(timeoutMs = 30_000): Promise<void> {
      const waitMs = Math.ceil(timeoutMs)
      const { pending } = await ask<{ pending: number }>('GET', `/deliveries/pending?waitMs=${waitMs}`)
      if (pending > 0) throw new Error(`${pending} deliveries are still pending after ${timeoutMs} ms`)
    },

    injectFault: (request: FaultRequest) => ask<FaultRule>('POST', '/faults', request),
    faults: () => ask<FaultRule[]>('GET', '/faults'),
    /** Clears one fault, or all of them. */
    clearFaults: (id?: number) => tell('DELETE', id === undefined ? '/faults' : `/faults/${id}`),
    setSwitches: (switches: Partial<Switches>) => ask<Switches>('PATCH', '/switches', switches),
    rateLimits: () =>
      ask<{ profile: string; refused: number; windows: WindowReport[] }>('GET', '/rate-limits'),
    calls: (filter: CallFilter = {}) => ask<Call[]>('GET', `/calls${queryText(filter)}`),
    clearCalls: () => tell('DELETE', '/calls'),
    reset: () => tell('POST', '/reset'),
  }
}

function queryText(parameters: Record<string, string | number | undefined>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined) query.set(name, String(value))
  return query.size === 0 ? '' : `?${query}`
}
