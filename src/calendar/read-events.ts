import { Big } from 'big.js'
import { isDay } from '../platform/days.ts'
import type { CalendarRange, CalendarValues } from './calendar-fields.ts'
import { type ListingDetails, readListingChanges } from './listing-changes.ts'

export type Problem = { field: string; message: string }

/** A range as it was sent; `available` and `unitsToSell` become `units` once the listing is known. */
export type SentRange = Omit<CalendarRange, 'values'> & {
  field: string
  values: Omit<CalendarValues, 'units'>
  available?: boolean
  unitsToSell?: number
}

export type DesiredEvent =
  | { field: string; type: 'availability.updated'; unitId: string; ranges: SentRange[] }
  | { field: string; type: 'pricing.updated'; unitId: string; currency: string; ranges: SentRange[] }
  | { field: string; type: 'listing.updated'; unitId: string; changes: ListingDetails }

export const maxEvents = 1_000
const maxRanges = 1_500
const maxStay = 1_125
const maxNote = 5_000
const maxPrice = new Big('1000000000')

/** Reads one event or a list of them, plain or as CloudEvents, and names everything that is wrong. Never throws. */
export function readEvents(body: unknown): { events: DesiredEvent[]; problems: Problem[] } {
  const problems: Problem[] = []
  if (Array.isArray(body) && (body.length === 0 || body.length > maxEvents)) {
    return { events: [], problems: [{ field: 'body', message: `must hold 1 to ${maxEvents} events` }] }
  }
  const entries: unknown[] = Array.isArray(body) ? body : [body]
  const events = entries.flatMap((entry, index) => {
    const read = readEvent(entry, Array.isArray(body) ? `${index}` : '', problems)
    return read === undefined ? [] : [read]
  })
  return { events, problems }
}

function readEvent(entry: unknown, field: string, problems: Problem[]): DesiredEvent | undefined {
  const report = (name: string, message: string) =>
    void problems.push({ field: joined(field, name) || 'body', message })
  if (!isObject(entry)) return report('', 'must be an object')
  const isCloudEvent = typeof entry.specversion === 'string'
  if (isCloudEvent && !isObject(entry.data)) return report('data', 'must be an object')
  const data = isCloudEvent && isObject(entry.data) ? entry.data : entry
  const { unitId } = data
  if (typeof unitId !== 'string' || unitId === '' || unitId.length > 200) {
    report('unitId', 'must be the id of a unit')
    return undefined
  }
  const { type } = entry
  if (type === 'listing.updated') {
    if (!isObject(data.changes)) return report('changes', 'must be an object')
    const changes = readListingChanges(data.changes, (name, message) =>
      report(joined('changes', name), message),
    )
    return { field, type, unitId, changes }
  }
  if (type !== 'availability.updated' && type !== 'pricing.updated') {
    return report('type', 'must be availability.updated, pricing.updated or listing.updated')
  }
  const readRange = type === 'pricing.updated' ? readPrice : readAvailability
  const ranges = readRanges(data.ranges, joined(field, 'ranges'), problems, readRange)
  if (type === 'availability.updated') return { field, type, unitId, ranges }
  const { currency } = data
  if (typeof currency !== 'string' || !/^[A-Z]{3}$/.test(currency)) {
    return report('currency', 'must be a currency code such as EUR')
  }
  return { field, type, unitId, currency, ranges }
}

type RangeReader = (sent: Record<string, unknown>, report: Report) => Omit<SentRange, 'from' | 'to' | 'field'>
type Report = (name: string, message: string) => undefined

function readRanges(sent: unknown, field: string, problems: Problem[], read: RangeReader): SentRange[] {
  if (!Array.isArray(sent) || sent.length === 0 || sent.length > maxRanges) {
    problems.push({ field, message: `must be a list of 1 to ${maxRanges} ranges` })
    return []
  }
  return sent.flatMap((range: unknown, index) => {
    const at = `${field}.${index}`
    const report: Report = (name, message) => void problems.push({ field: joined(at, name), message })
    if (!isObject(range)) return report('', 'must be an object') ?? []
    const before = problems.length
    const { from, to } = range
    for (const [name, day] of Object.entries({ from, to })) {
      if (!isDay(day)) report(name, 'is not a calendar day as YYYY-MM-DD')
    }
    if (isDay(from) && isDay(to) && to < from) report('to', 'is before `from`')
    const values = read(range, report)
    if (problems.length > before || !isDay(from) || !isDay(to)) return []
    return [{ field: at, from, to, ...values }]
  })
}

const availabilityNames = new Set([
  'from',
  'to',
  'available',
  'unitsToSell',
  'minStay',
  'maxStay',
  'closedOnArrival',
  'closedOnDeparture',
  'note',
])

function readAvailability(sent: Record<string, unknown>, report: Report) {
  refuseUnknown(sent, availabilityNames, report)
  const flag = (name: string) => {
    const value = sent[name]
    if (value === undefined || typeof value === 'boolean') return value
    return report(name, 'must be true or false')
  }
  const whole = (name: string, least: number, most: number) => {
    const value = sent[name]
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
    return report(name, `must be a whole number from ${least} to ${most}`)
  }
  const available = flag('available')
  const unitsToSell = whole('unitsToSell', 0, 10_000)
  const values = withoutUndefined({
    minStay: whole('minStay', 1, maxStay),
    maxStay: whole('maxStay', 1, maxStay),
    closedOnArrival: flag('closedOnArrival'),
    closedOnDeparture: flag('closedOnDeparture'),
    note: readNote(sent.note, report),
  })
  if (values.minStay !== undefined && values.maxStay !== undefined && values.minStay > values.maxStay) {
    report('minStay', 'is above `maxStay`')
  }
  if (Object.keys(sent).every((name) => name === 'from' || name === 'to'))
    report('', 'names nothing to change')
  return { values, ...withoutUndefined({ available, unitsToSell }) }
}

const priceNames = new Set(['from', 'to', 'price'])

function readPrice(sent: Record<string, unknown>, report: Report) {
  refuseUnknown(sent, priceNames, report)
  const price = amountOf(sent.price)
  if (price === undefined) report('price', 'must be a number')
  else if (price.lt(0)) report('price', 'is negative')
  else if (price.gt(maxPrice)) report('price', 'is too large')
  return { values: price === undefined ? {} : { price: price.toFixed() } }
}

function amountOf(value: unknown): Big | undefined {
  const isAmount =
    (typeof value === 'number' && Number.isFinite(value)) ||
    (typeof value === 'string' && /^-?\d{1,12}(\.\d{1,8})?$/.test(value))
  return isAmount ? new Big(value) : undefined
}

function readNote(note: unknown, report: Report): string | undefined {
  if (note === undefined) return undefined
  // PostgreSQL has no text with this character.
  if (typeof note === 'string' && note.length <= maxNote && !note.includes('\u0000')) return note
  return report('note', `must be a text of at most ${maxNote} characters`)
}

function refuseUnknown(sent: Record<string, unknown>, names: Set<string>, report: Report): void {
  for (const name of Object.keys(sent)) {
    if (!names.has(name)) report(name, 'is not known here')
  }
}

/** Whether a value is an object with named fields. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function joined(...parts: string[]): string {
  return parts.filter((part) => part !== '').join('.')
}

/** An object without the fields that are undefined. */
export function withoutUndefined<Value extends object>(
  value: Value,
): { [Key in keyof Value]?: Exclude<Value[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [Key in keyof Value]?: Exclude<Value[Key], undefined>
  }
}
