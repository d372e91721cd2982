import { randomUUID } from 'node:crypto'
import type { CalendarDay } from '../../src/channels/contract/calendar.ts'
import type { CallContext, Channel } from '../../src/channels/contract/channel.ts'
import { createFieldReader, isRecord } from '../../src/channels/contract/field-reader.ts'
import type {
  ParsedReservation,
  Reservation,
  ReservationFormat,
} from '../../src/channels/contract/reservation.ts'
import type { ReservationDraft, ReservationFields } from '../../src/channels/contract/reservation-draft.ts'
import { createReservationFormat } from '../../src/channels/contract/reservation-format.ts'
import { storableSource } from '../../src/channels/contract/storable-source.ts'
import type { WebhookRegistration } from '../../src/channels/contract/webhook.ts'
import { eachDay } from '../../src/platform/days.ts'
import { AppError } from '../../src/platform/errors.ts'

const names = {
  listingId: 'property',
  status: 'state',
  arrivalDate: 'from',
  departureDate: 'until',
  guestName: 'guest',
  guestEmail: 'email',
  phone: 'mobile',
  numberOfGuests: 'people',
  totalPrice: 'total',
  hostNote: 'remark',
  marker: 'reference',
  updatedOn: 'changedAt',
}
const meanings = new Map<string, Reservation['bookingStatus']>([
  ['booked', 'confirmed'],
  ['asked', 'pending'],
  ['dropped', 'cancelled'],
])

export const memoryFormat: ReservationFormat = createReservationFormat({
  names,
  spellings: [],
  idNames: [],
  noise: new Set(['changedAt']),
  isPlaceholder: () => false,
  leavesOut: () => false,
  parse,
  ofDraft({ marker, listingId, currency, isCancelled, fields }) {
    const state = isCancelled ? 'dropped' : 'booked'
    const { reservation } = parse({
      id: marker,
      property: listingId,
      state,
      currency,
      reference: marker,
      ...toRow(fields),
    })
    if (reservation === null) throw new Error('A draft has no marker')
    return { ...reservation, source: {} }
  },
})

function parse(data: unknown): ParsedReservation {
  const { source, cut } = storableSource(isRecord(data) ? data : {})
  const problems: Reservation['problems'] = cut
    ? [{ field: 'data', code: 'nested_too_deeply', message: 'is too deep' }]
    : []
  const read = createFieldReader(source, problems)
  const id = read.id('id')
  if (typeof id !== 'string')
    return { reservation: null, problems: [{ field: 'id', code: 'missing', message: 'is missing' }] }
  const status = read.text('state') ?? undefined
  const reservation: Reservation = {
    id,
    listingId: read.id('property') ?? undefined,
    status,
    bookingStatus: meanings.get(status ?? '') ?? 'unknown',
    arrivalDate: read.day('from'),
    departureDate: read.day('until'),
    datesUnspecified: false,
    guestName: read.text('guest'),
    guestEmail: read.text('email'),
    phone: read.text('mobile'),
    numberOfGuests: read.count('people'),
    adults: read.count('adults'),
    children: read.count('children'),
    infants: read.count('infants'),
    pets: read.count('pets'),
    totalPrice: read.amount('total'),
    currency: read.currency('currency'),
    channelName: 'memory',
    channelId: '1',
    confirmationCode: undefined,
    hostNote: read.text('remark'),
    marker: read.text('reference'),
    unitCount: 1,
    units: undefined,
    updatedOn: read.instant('changedAt'),
    insertedOn: undefined,
    customFieldValues: undefined,
    financeFields: undefined,
    isComplete: true,
    problems,
    source,
    format: memoryFormat,
  }
  return { reservation, problems }
}

function toRow(fields: ReservationFields): Record<string, unknown> {
  const partNames: Record<string, string> = names
  return Object.fromEntries(Object.entries(fields).map(([part, value]) => [partNames[part] ?? part, value]))
}

const openDay = (date: string): CalendarDay => ({
  date,
  status: 'available',
  isAvailable: true,
  price: undefined,
  minimumStay: undefined,
  maximumStay: undefined,
  closedOnArrival: undefined,
  closedOnDeparture: undefined,
  note: undefined,
  availableUnitsToSell: undefined,
  desiredUnitsToSell: undefined,
})

/** A channel that lives in this process, with two listings and names of its own for everything; `world` is its far end. */
export function createInMemoryChannel(account = { accountId: '20777', apiKey: 'memory-key-of-20777' }) {
  const rows = new Map<string, Record<string, unknown>>()
  const nights = new Map<string, CalendarDay>()
  const hooks = new Map<string, WebhookRegistration & { authorization: string }>()
  const tokens = new Set<string>()
  let isDown = false
  let clock = Date.parse('2027-01-01T00:00:00Z')

  function admit(call?: CallContext): void {
    if (isDown) throw new AppError('hostaway_unavailable', 'The channel answered 503', { status: 503 })
    if (call !== undefined && !tokens.has(call.token))
      throw new AppError('forbidden', 'The channel refuses the token', { status: 403 })
  }
  function existing<Row>(found: Row | undefined): Row {
    if (found === undefined) throw new AppError('not_found', 'The channel does not know it', { status: 404 })
    return found
  }
  function write(id: string, changes: Record<string, unknown>): Reservation {
    clock += 1_000
    rows.set(id, { ...rows.get(id), ...changes, id, changedAt: new Date(clock).toISOString() })
    return read(id)
  }
  function read(id: string): Reservation {
    const { reservation } = parse(existing(rows.get(id)))
    return existing(reservation ?? undefined)
  }
  const all = () => [...rows.keys()].map(read)
  const listing = (id: string) => ({
    id,
    name: `Cabin ${id}`,
    currency: 'EUR',
    timeZone: 'Europe/Berlin',
    archived: false,
    basePrice: undefined,
    personCapacity: 4,
    minimumNights: undefined,
    maximumNights: undefined,
    unitCount: 1,
    problems: [],
    source: { id },
  })
  const listings = ['71', '72'].map(listing)

  const channel: Channel = {
    name: 'memory',
    title: 'Memory',
    format: memoryFormat,
    access: {
      keyHint: 'read it in the test',
      async issue({ accountId, apiKey }) {
        admit()
        if (accountId !== account.accountId || apiKey !== account.apiKey) {
          throw new AppError('credentials_rejected', 'The channel does not know this key', { status: 401 })
        }
        const token = randomUUID()
        tokens.add(token)
        return { token, usableAt: new Date(), expiresAt: new Date(Date.now() + 3_600_000) }
      },
      revoke: async ({ token }) => void tokens.delete(token),
      check: async (call) => admit(call),
    },
    health: { breakerState: () => 'closed' },
    webhooks: {
      isAuthentic: ({ login, password }, { authorization }) =>
        authorization === `Secret ${login} ${password}`,
      mayBeAuthentic: (secrets, { authorization }) =>
        secrets === undefined || authorization === `Secret ${secrets.login} ${secrets.password}`,
      isProbe: () => false,
      parse(body) {
        if (!isRecord(body)) return { ok: false, reason: 'The body is not an object' }
        const data = isRecord(body.booking) ? body.booking : null
        const { reservation } = parse(data)
        const accountId = typeof body.account === 'string' ? body.account : null
        const eventType = data === null ? 'other' : 'reservation.updated'
        const sourceEvent = typeof body.kind === 'string' ? body.kind : null
        return {
          ok: true,
          event: {
            eventType,
            sourceEvent,
            accountId,
            objectId: reservation?.id ?? null,
            data,
            timestamp: null,
          },
        }
      },
      list: async (call) => {
        admit(call)
        return [...hooks.values()]
      },
      async create(call, target) {
        admit(call)
        const id = String(hooks.size + 1)
        hooks.set(id, hookOf(id, target))
        return existing(hooks.get(id))
      },
      async update(call, id, target) {
        admit(call)
        existing(hooks.get(id))
        hooks.set(id, hookOf(id, target))
        return existing(hooks.get(id))
      },
      async remove(call, id) {
        admit(call)
        existing(hooks.get(id))
        hooks.delete(id)
      },
      deviations: ({ url }, target) => (url === target.url ? [] : ['address']),
      deliveryStatuses: async () => [],
    },
    reservations: {
      async page(call, { limit, afterId }) {
        admit(call)
        const newestFirst = all().toSorted((a, b) => Number(b.updatedOn) - Number(a.updatedOn))
        const start = afterId === undefined ? 0 : newestFirst.findIndex(({ id }) => id === afterId) + 1
        const reservations = newestFirst.slice(start, start + limit)
        return { reservations, unreadable: 0, limit, count: rows.size, last: start + limit >= rows.size }
      },
      async read(call, id) {
        admit(call)
        return read(id)
      },
    },
    listings: {
      async list(call) {
        admit(call)
        return listings
      },
      async read(call, id) {
        admit(call)
        return existing(listings.find((one) => one.id === id))
      },
      update: async () => undefined,
    },
    calendar: {
      maxIntervals: 3,
      async read(call, listingId, from, to) {
        admit(call)
        return eachDay(from, to).map((date) => nights.get(`${listingId} ${date}`) ?? openDay(date))
      },
      async push(call, listingId, intervals) {
        admit(call)
        if (intervals.length > 3) throw new AppError('invalid_payload', 'These are more than three intervals')
        for (const { startDate, endDate, ...values } of intervals) {
          for (const date of eachDay(startDate, endDate)) {
            const key = `${listingId} ${date}`
            const day: CalendarDay = { ...(nights.get(key) ?? openDay(date)), ...values }
            nights.set(key, { ...day, status: day.isAvailable === false ? 'blocked' : 'available' })
          }
        }
      },
    },
    bookingWrites: {
      mayChange: () => true,
      async create(call, { listingId, marker, currency, fields }: ReservationDraft) {
        admit(call)
        return write(`m${rows.size + 1}`, {
          property: listingId,
          state: 'booked',
          currency,
          reference: marker,
          ...toRow(fields),
        })
      },
      async change(call, id, fields) {
        admit(call)
        read(id)
        return write(id, toRow(fields))
      },
      async cancel(call, id) {
        admit(call)
        read(id)
        return write(id, { state: 'dropped' })
      },
      async findByMarker(call, { marker, listingId }) {
        admit(call)
        return all().filter((one) => one.marker === marker && one.listingId === listingId)
      },
      async findByArrival(call, { listingId, arrivalDate }) {
        admit(call)
        return all().filter((one) => one.arrivalDate === arrivalDate && one.listingId === listingId)
      },
    },
    hangUp: () => {},
  }

  const hookOf = (
    id: string,
    { url, login, password, alertingEmailAddress }: Parameters<NonNullable<Channel['webhooks']>['create']>[1],
  ) => ({
    id,
    url,
    enabled: true,
    hasCredentials: true,
    alertingEmailAddress,
    authorization: `Secret ${login} ${password}`,
  })

  return {
    channel,
    account,
    world: {
      /** Books like a guest, or changes what is booked; returns the body that the channel would deliver. */
      book(id: string, changes: Record<string, unknown>) {
        return { kind: 'booking', account: account.accountId, booking: write(id, changes).source }
      },
      /** The address and the Authorization header of the webhook that was registered first. */
      hook: () => existing([...hooks.values()][0]),
      setDown(down: boolean) {
        isDown = down
      },
    },
  }
}
