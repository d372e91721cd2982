import { addDays } from '../platform/days.ts'
import type { CalendarRange, CalendarValues } from './calendar-fields.ts'

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
