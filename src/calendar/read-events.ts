import { type Static, Type } from 'typebox'
import { withoutCardNumbers } from '../channels/contract/card-data.ts'
import { amountText } from '../mapping/money.ts'
import { amount, byPresenceOf, Currency, Day, LastDay, taggedUnion, UnitId } from '../platform/http/fields.ts'
import { maxWrongFields, type WrongField } from '../platform/http/violations.ts'
import type { CalendarRange, CalendarValues } from './calendar-fields.ts'
import { ListingChanges, type ListingDetails, toListingDetails } from './listing-changes.ts'

/** A range as it was sent; `available` and `unitsToSell` become `units` once the listing is known. */
export type SentRange = Omit<CalendarRange, 'values'> & {
  field: string
  values: Omit<CalendarValues, 'units'>
  available?: boolean
  unitsToSell?: number
}

/** A valid event; `field` is the path of its `unitId` and what stands beside it. */
export type DesiredEvent =
  | { field: string; type: 'availability.updated'; unitId: string; ranges: SentRange[] }
  | { field: string; type: 'pricing.updated'; unitId: string; currency: string; ranges: SentRange[] }
  | { field: string; type: 'listing.updated'; unitId: string; changes: ListingDetails }

/** An event as it was sent; `key` says which event of which source it is, where the sender said so. */
export type SentEvent = { event: DesiredEvent; key: { source: string; id: string } | undefined }

export const maxEvents = 1_000
const maxRanges = 10_000
const rangeCount = { minItems: 1, maxItems: 1_500 }
const closed = { additionalProperties: false }

const stay = Type.Optional(Type.Integer({ minimum: 1, maximum: 1_125 }))
const AvailabilityRange = Type.Object(
  {
    from: Day,
    to: LastDay,
    available: Type.Optional(Type.Boolean()),
    unitsToSell: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
    minStay: stay,
    maxStay: stay,
    closedOnArrival: Type.Optional(Type.Boolean()),
    closedOnDeparture: Type.Optional(Type.Boolean()),
    note: Type.Optional(Type.String({ maxLength: 5_000 })),
  },
  // The days, and something to change.
  { ...closed, minProperties: 3 },
)
const PriceRange = Type.Object({ from: Day, to: LastDay, price: amount(9) }, closed)

const availability = { unitId: UnitId, ranges: Type.Array(AvailabilityRange, rangeCount) }
const pricing = { unitId: UnitId, currency: Currency, ranges: Type.Array(PriceRange, rangeCount) }
const listing = { unitId: UnitId, changes: ListingChanges }

const PlainEvent = taggedUnion('PlainEvent', 'type', [
  Type.Object(
    { type: Type.Literal('availability.updated'), ...availability },
    {
      ...closed,
      title: 'AvailabilityUpdated',
      examples: [
        {
          type: 'availability.updated',
          unitId: 'quay-flat',
          ranges: [{ from: '2027-07-01', to: '2027-07-14', available: true, minStay: 3 }],
        },
      ],
    },
  ),
  Type.Object(
    { type: Type.Literal('pricing.updated'), ...pricing },
    {
      ...closed,
      title: 'PricingUpdated',
      examples: [
        {
          type: 'pricing.updated',
          unitId: 'quay-flat',
          currency: 'EUR',
          ranges: [{ from: '2027-07-01', to: '2027-07-14', price: '129.90' }],
        },
      ],
    },
  ),
  Type.Object(
    { type: Type.Literal('listing.updated'), ...listing },
    {
      ...closed,
      title: 'ListingUpdated',
      examples: [{ type: 'listing.updated', unitId: 'quay-flat', changes: { minNights: 3 } }],
    },
  ),
])

const text = (description: string) => Type.String({ minLength: 1, maxLength: 500, description })
const envelope = {
  specversion: Type.Literal('1.0'),
  id: text('With `source` the key of the event: what came before with the same content is not new.'),
  source: text('Where the event happened.'),
}
const CloudEvent = taggedUnion('CloudEvent', 'type', [
  Type.Object(
    { ...envelope, type: Type.Literal('availability.updated'), data: Type.Object(availability, closed) },
    { title: 'AvailabilityUpdatedCloudEvent' },
  ),
  Type.Object(
    { ...envelope, type: Type.Literal('pricing.updated'), data: Type.Object(pricing, closed) },
    { title: 'PricingUpdatedCloudEvent' },
  ),
  Type.Object(
    { ...envelope, type: Type.Literal('listing.updated'), data: Type.Object(listing, closed) },
    { title: 'ListingUpdatedCloudEvent' },
  ),
])

const AnyEvent = byPresenceOf('DesiredEvent', 'specversion', CloudEvent, PlainEvent)

export const EventsBody = Type.Union([AnyEvent, Type.Array(AnyEvent, { minItems: 1, maxItems: maxEvents })])

/**
 * In the binary mode of CloudEvents the attributes are headers and the body is the data; it becomes what the structured
 * mode sends. Any other request stays as it is.
 */
export function withoutBinaryMode(headers: Record<string, unknown>, body: unknown): unknown {
  if (headers['ce-specversion'] === undefined) return body
  const attributes = Object.entries(headers).filter(([name]) => name.startsWith('ce-'))
  return {
    ...Object.fromEntries(attributes.map(([name, value]) => [name.slice('ce-'.length), value])),
    data: body,
  }
}

/**
 * The valid events of a body, with amounts as decimal text, and their violations that no schema can express. `wrong` is
 * what validation found; an event that it names is left out. Never throws.
 */
export function readDesiredEvents(
  body: Static<typeof EventsBody>,
  wrong: WrongField[],
): { events: SentEvent[]; problems: WrongField[] } {
  const problems: WrongField[] = []
  const isList = Array.isArray(body)
  const names = new Set(wrong.map(({ field }) => (isList ? field.split('.', 1)[0] : '')))
  const isUnsure = names.has('body') || wrong.length >= maxWrongFields
  const sound = isUnsure
    ? []
    : [body].flat().map((event, index) => ({ event, name: isList ? `${index}` : '' }))
  const events = sound
    .filter(({ name }) => !names.has(name))
    .map(({ event, name }) =>
      'specversion' in event
        ? {
            event: toEvent(
              { type: event.type, ...event.data } as Static<typeof PlainEvent>,
              joined(name, 'data'),
            ),
            key: { source: event.source, id: event.id },
          }
        : { event: toEvent(event, name), key: undefined },
    )
  let ranges = 0
  for (const { event } of events) {
    if (!('ranges' in event)) continue
    problems.push(...event.ranges.flatMap(misordered))
    ranges += event.ranges.length
  }
  if (ranges > maxRanges) {
    problems.push({ field: 'body', message: `must not have more than ${maxRanges} ranges in all its events` })
  }
  return { events, problems }
}

function toEvent(event: Static<typeof PlainEvent>, field: string): DesiredEvent {
  const { type, unitId } = event
  if (type === 'listing.updated') return { field, type, unitId, changes: toListingDetails(event.changes) }
  const at = (index: number) => joined(field, `ranges.${index}`)
  if (type === 'availability.updated') {
    const ranges = event.ranges.map(({ from, to, available, unitsToSell, ...values }, index) => ({
      field: at(index),
      from,
      to,
      values: values.note === undefined ? values : { ...values, note: withoutCardNumbers(values.note) },
      ...(available === undefined ? {} : { available }),
      ...(unitsToSell === undefined ? {} : { unitsToSell }),
    }))
    return { field, type, unitId, ranges }
  }
  const ranges = event.ranges.map(({ from, to, price }, index) => ({
    field: at(index),
    from,
    to,
    values: { price: amountText(price) },
  }))
  return { field, type, unitId, currency: event.currency, ranges }
}

function misordered({
  field,
  from,
  to,
  values: { minStay = 0, maxStay = Infinity },
}: SentRange): WrongField[] {
  return [
    ...(to < from ? [{ field: `${field}.to`, message: 'is before `from`' }] : []),
    ...(minStay > maxStay ? [{ field: `${field}.minStay`, message: 'is above `maxStay`' }] : []),
  ]
}

function joined(...names: string[]): string {
  return names.filter((name) => name !== '').join('.')
}
