import type { Identifiers } from './identifiers.ts'
import type { JsonObject } from './json-text.ts'
import type { Listing, ListingRequest, ListingUnit } from './listing-factory.ts'
import { createListing, createListingUnits } from './listing-factory.ts'
import { datetimeText } from './plain-days.ts'
import { Contradiction, InvalidInput, NotFound } from './refusals.ts'
import type { StoredReservation } from './reservation-factory.ts'
import type { UnifiedWebhook, WebhookLogEntry } from './webhook-records.ts'

/** What was written to one day. A key that is missing was never written. */
export type WrittenDay = {
  isAvailable?: number
  price?: number
  minimumStay?: number
  maximumStay?: number
  closedOnArrival?: number | null
  closedOnDeparture?: number | null
  note?: string | null
  desiredUnitsToSell?: number | null
}

export type StoredListing = {
  accountId: number
  body: Listing
  units: ListingUnit[]
  days: Map<string, WrittenDay>
  /** Which reservations hold which night, whatever the calendar shows yet. */
  nights: Map<string, Set<StoredReservation>>
  /** The latest night that was ever held; empty before the first one. */
  latestNight: string
}

export type Account = {
  accountId: number
  apiKey: string
  listings: Map<number, StoredListing>
  reservations: Map<number, StoredReservation>
  /** Kept so that paging can go on after a reservation that was removed meanwhile. */
  removedReservations: Map<number, StoredReservation>
  webhooks: Map<number, UnifiedWebhook>
  webhookLogs: WebhookLogEntry[]
  conversations: Map<number, JsonObject & { id: number; reservationId: number }>
  messages: (JsonObject & { id: number; conversationId: number })[]
  tasks: Map<number, JsonObject & { id: number }>
  /** How often made-up bookings were asked for, so that each time brings other ones. */
  bookingRounds: number
}

export type AccountRequest = { accountId: number; apiKey: string; listings?: ListingRequest[] | undefined }

/** All accounts of one sandbox, each with data of its own. */
export class Accounts {
  private readonly byId = new Map<number, Account>()
  private readonly identifiers: Identifiers

  constructor(identifiers: Identifiers) {
    this.identifiers = identifiers
  }

  add(request: AccountRequest): Account {
    const { accountId, apiKey } = request
    if (!Number.isInteger(accountId) || accountId < 1)
      throw new InvalidInput('accountId must be a whole number')
    if (typeof apiKey !== 'string' || apiKey === '') throw new InvalidInput('apiKey must be a text')
    if (this.byId.has(accountId)) throw new Contradiction(`Account ${accountId} exists already`)
    const account: Account = {
      accountId,
      apiKey,
      listings: new Map(),
      reservations: new Map(),
      removedReservations: new Map(),
      webhooks: new Map(),
      webhookLogs: [],
      conversations: new Map(),
      messages: [],
      tasks: new Map(),
      bookingRounds: 0,
    }
    this.byId.set(accountId, account)
    for (const listing of request.listings ?? []) this.addListing(account, listing)
    return account
  }

  addListing(account: Account, request: ListingRequest): StoredListing {
    if (typeof request.name !== 'string' || request.name === '') {
      throw new InvalidInput('A listing needs a name')
    }
    const id = request.id ?? this.identifiers.next('listing')
    if (account.listings.has(id)) throw new Contradiction(`Listing ${id} exists already`)
    const listing: StoredListing = {
      accountId: account.accountId,
      body: createListing(id, request, datetimeText(Date.now())),
      units: createListingUnits(this.identifiers, request.units ?? 1),
      days: new Map(),
      nights: new Map(),
      latestNight: '',
    }
    account.listings.set(id, listing)
    return listing
  }

  find(accountId: number): Account | undefined {
    return this.byId.get(accountId)
  }

  get(accountId: number): Account {
    const account = this.byId.get(accountId)
    if (!account) throw new NotFound(`There is no account ${accountId}`)
    return account
  }

  all(): Account[] {
    return [...this.byId.values()]
  }
}

export function listingOf(account: Account, listingId: number): StoredListing {
  const listing = account.listings.get(listingId)
  if (!listing) throw new NotFound()
  return listing
}

/** Like `listingOf`, for writes: an archived listing takes none. */
export function writableListingOf(account: Account, listingId: number): StoredListing {
  const listing = listingOf(account, listingId)
  if (listing.body.specialStatus === 'archived') throw new InvalidInput('The listing is archived')
  return listing
}

export function reservationOf(account: Account, reservationId: number): StoredReservation {
  const reservation = account.reservations.get(reservationId)
  if (!reservation) throw new NotFound()
  return reservation
}
