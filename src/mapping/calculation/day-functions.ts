import { calendarDay } from '../../channels/contract/field-reader.ts'
import { addDays, daysBetween } from '../../platform/days.ts'

const farthestDays = 100_000

/** `$daysBetween`: nights from one day to another, negative where the second comes first; undefined where one is no day. */
export function nightsFrom(from: unknown, to: unknown): number | undefined {
  const [first, second] = [calendarDay(from), calendarDay(to)]
  return first === undefined || second === undefined ? undefined : daysBetween(first, second)
}

/** `$addDays`: the day so many days later; undefined where there is none. */
export function dayAfter(from: unknown, days: unknown): string | undefined {
  const start = calendarDay(from)
  if (start === undefined || typeof days !== 'number' || !Number.isInteger(days)) return undefined
  return Math.abs(days) > farthestDays ? undefined : addDays(start, days)
}
