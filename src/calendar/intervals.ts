import { addDays, daysBetween } from '../platform/days.ts'
import type { CalendarField, CalendarRange, CalendarValues } from './calendar-fields.ts'

/**
 * A night and its values to push: `due` must be sent, `allowed` (which includes it) may be sent along
 * because it is desired as well. What is in neither must not be touched.
 */
export type PlannedDay = { day: string; due: CalendarValues; allowed: CalendarValues }

/**
 * The fewest intervals that send everything due and nothing that is not allowed, each with no more fields than it
 * needs. `days` is in order, each day once. Pure.
 *
 * Taking as many days as possible into each interval is optimal here: whatever fits an interval fits every part of it.
 */
export function compress(days: PlannedDay[]): CalendarRange[] {
  const intervals: CalendarRange[] = []
  let span: Span | undefined
  for (const day of days) {
    const isDue = Object.keys(day.due).length > 0
    const longer: Span | undefined = span === undefined ? undefined : extend(span, day, isDue)
    if (longer !== undefined) {
      span = longer
      continue
    }
    if (span !== undefined) intervals.push(toInterval(span))
    span = isDue
      ? { from: day.day, lastDue: day.day, last: day.day, values: day.due, common: day.allowed }
      : undefined
  }
  if (span !== undefined) intervals.push(toInterval(span))
  return intervals
}

/** `common`: the values that every day from `from` to `last` may get. */
type Span = { from: string; lastDue: string; last: string; values: CalendarValues; common: CalendarValues }

function extend(span: Span, day: PlannedDay, isDue: boolean): Span | undefined {
  if (daysBetween(span.last, day.day) !== 1) return undefined
  const values = isDue ? { ...span.values, ...day.due } : span.values
  const common = shared(span.common, day.allowed)
  for (const field of Object.keys(values) as CalendarField[]) {
    if (common[field] === undefined || common[field] !== values[field]) return undefined
    if (span.values[field] !== undefined && span.values[field] !== values[field]) return undefined
  }
  return { from: span.from, lastDue: isDue ? day.day : span.lastDue, last: day.day, values, common }
}

function shared(left: CalendarValues, right: CalendarValues): CalendarValues {
  return Object.fromEntries(
    Object.entries(left).filter(([field, value]) => right[field as CalendarField] === value),
  )
}

function toInterval({ from, lastDue, values }: Span): CalendarRange {
  return { from, to: lastDue, values }
}

/**
 * Ranges that may overlap as ranges that do not, in the order of days: on a day that several cover, a later one in the
 * list wins field by field. Pure.
 */
export function mergeRanges(ranges: CalendarRange[]): CalendarRange[] {
  const starts = new Map<string, number[]>()
  const ends = new Map<string, number[]>()
  ranges.forEach(({ from, to }, index) => {
    append(starts, from, index)
    append(ends, addDays(to, 1), index)
  })
  const edges = [...new Set([...starts.keys(), ...ends.keys()])].sort()
  const open = new Set<number>()
  const merged: CalendarRange[] = []
  edges.forEach((edge, position) => {
    for (const index of ends.get(edge) ?? []) open.delete(index)
    for (const index of starts.get(edge) ?? []) open.add(index)
    const next = edges[position + 1]
    if (open.size === 0 || next === undefined) return
    const values: CalendarValues = {}
    for (const index of [...open].sort((left, right) => left - right)) {
      Object.assign(values, ranges[index]?.values)
    }
    merged.push({ from: edge, to: addDays(next, -1), values })
  })
  return merged
}

function append(map: Map<string, number[]>, key: string, value: number): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
