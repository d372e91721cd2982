import type { Account } from './accounts.ts'
import type { Page } from './hostaway-answers.ts'
import { limitFrom, pageByOffset } from './list-paging.ts'
import { InvalidInput } from './refusals.ts'
import { isSet, wholeNumber } from './request-reading.ts'
import type { Reservation, StoredReservation } from './reservation-factory.ts'
import { viewReservation } from './reservation-view.ts'

type Query = Record<string, string>
type Order = (left: Reservation, right: Reservation) => number

function by(key: keyof Reservation & string, direction: 1 | -1): Order {
  return (left, right) => {
    const first = left[key] ?? ''
    const second = right[key] ?? ''
    if (first === second) return direction * (left.id - right.id)
    return String(first) < String(second) ? -direction : direction
  }
}

const orders: Record<string, Order> = {
  arrivalDate: by('arrivalDate', 1),
  arrivalDateDesc: by('arrivalDate', -1),
  latestActivity: by('latestActivityOn', 1),
  latestActivityDesc: by('latestActivityOn', -1),
  lastConversationMessageSent: by('latestActivityOn', 1),
  lastConversationMessageSentDesc: by('latestActivityOn', -1),
  lastConversationMessageReceived: by('latestActivityOn', 1),
  lastConversationMessageReceivedDesc: by('latestActivityOn', -1),
  updatedOn: by('updatedOn', 1),
}
const newestChangeFirst = by('updatedOn', -1)

const equalityFilters: [parameter: string, key: string][] = [
  ['channelId', 'channelId'],
  ['listingId', 'listingMapId'],
  ['assigneeUserId', 'assigneeUserId'],
  ['customerUserId', 'customerUserId'],
  ['reservationAgreement', 'reservationAgreement'],
  ['guestEmail', 'guestEmail'],
  ['isStarred', 'isStarred'],
  ['isArchived', 'isArchived'],
  ['isPinned', 'isPinned'],
]

const rangeFilters: [first: string, last: string, key: string][] = [
  ['arrivalStartDate', 'arrivalEndDate', 'arrivalDate'],
  ['departureStartDate', 'departureEndDate', 'departureDate'],
  ['latestActivityStart', 'latestActivityEnd', 'latestActivityOn'],
]

const searchedKeys = ['guestName', 'guestEmail', 'phone', 'reservationId', 'confirmationCode', 'listingName']

/** One page of the account's reservations: newest change first unless another order is asked for. */
export function searchReservations(account: Account, query: Query): Page {
  const order = query.sortOrder === undefined ? newestChangeFirst : orders[query.sortOrder]
  if (!order) throw new InvalidInput(`sortOrder "${query.sortOrder}" is not known`)
  const conditions = conditionsOf(account, query)
  const found = inOrder(account, order).filter(({ body }) => conditions.every((holds) => holds(body)))
  const view = {
    includeResources: isSet(query.includeResources),
    includeCancellationPolicy: isSet(query.includeCancellationPolicy),
    includePayments: isSet(query.includePayments),
  }
  const show = ({ body }: StoredReservation) => viewReservation(body, view)
  const afterId = wholeNumber(query, 'afterId')
  if (afterId === undefined) return pageByOffset(found, query, show)
  const cursor = account.reservations.get(afterId) ?? account.removedReservations.get(afterId)
  const limit = limitFrom(query)
  const next = cursor ? found.findIndex(({ body }) => order(cursor.body, body) < 0) : -1
  const rows = next < 0 ? [] : found.slice(next, next + limit).map(show)
  return { rows, limit, offset: null, count: found.length }
}

// An order is nearly right the next time, and sorting what is nearly sorted is quick.
const lastOrders = new WeakMap<Account, Map<Order, StoredReservation[]>>()

function inOrder(account: Account, order: Order): StoredReservation[] {
  const orders = lastOrders.get(account) ?? new Map<Order, StoredReservation[]>()
  lastOrders.set(account, orders)
  const ordered = (orders.get(order) ?? []).filter(({ body }) => account.reservations.has(body.id))
  if (ordered.length < account.reservations.size) {
    const known = new Set(ordered)
    for (const reservation of account.reservations.values()) {
      if (!known.has(reservation)) ordered.push(reservation)
    }
  }
  ordered.sort((left, right) => order(left.body, right.body))
  orders.set(order, ordered)
  return ordered
}

type Condition = (body: Reservation) => boolean

/** Only those that the query asks for. */
function conditionsOf(account: Account, query: Query): Condition[] {
  const conditions: Condition[] = []
  for (const [parameter, key] of equalityFilters) {
    const wanted = query[parameter]
    if (wanted !== undefined) conditions.push((body) => String(body[key]) === wanted)
  }
  for (const [first, last, key] of rangeFilters) {
    if (query[first] === undefined && query[last] === undefined) continue
    conditions.push((body) => isWithin(String(body[key]), query[first], query[last]))
  }
  if (query.startDate !== undefined || query.endDate !== undefined) {
    conditions.push((body) => matchesDateType(body, query))
  }
  if (query.match !== undefined) conditions.push((body) => matchesText(body, query.match))
  if (query.hasUnreadConversationMessages !== undefined) {
    conditions.push((body) => matchesUnread(account, body, query.hasUnreadConversationMessages))
  }
  return conditions
}

function isWithin(value: string, first: string | undefined, last: string | undefined): boolean {
  if (first !== undefined && value < first) return false
  // A bound without a time of day includes the whole day.
  return last === undefined || value.slice(0, last.length) <= last
}

function matchesDateType(body: Reservation, query: Query): boolean {
  const key = query.dateType ?? 'arrivalDate'
  return isWithin(String(body[key] ?? ''), query.startDate, query.endDate)
}

function matchesText(body: Reservation, match: string | undefined): boolean {
  if (match === undefined || match === '') return true
  const wanted = match.toLowerCase()
  return searchedKeys.some((key) =>
    String(body[key] ?? '')
      .toLowerCase()
      .includes(wanted),
  )
}

function matchesUnread(account: Account, body: Reservation, wanted: string | undefined): boolean {
  const hasUnread = account.messages.some(
    (message) => message.reservationId === body.id && message.isIncoming === 1 && message.isSeen === 0,
  )
  return hasUnread === isSet(wanted)
}
