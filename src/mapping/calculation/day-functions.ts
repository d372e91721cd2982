import { calendarDay } from '../../channels/hostaway/wire/field-reader.ts'

const dayMs = 86_400_000
const farthestDays = 100_000

/** Nights from one day to another, negative where the second comes first; undefined where one of them is no day. */
export function daysBetween(from: unknown, to: unknown): number | undefined {
  const [first, second] = [instantOf(from), instantOf(to)]
  return first === undefined || second === undefined ? undefined : Math.round((second - first) / dayMs)
}

/** The day so many days later; undefined where there is none. */
export function addDays(from: unknown, days: unknown): string | undefined {
  const start = instantOf(from)
  if (start === undefined || typeof days !== 'number' || !Number.isInteger(days)) return undefined
  if (Math.abs(days) > farthestDays) return undefined
  return new Date(start + days * dayMs).toISOString().slice(0, 10)
}

function instantOf(day: unknown): number | undefined {
  const text = calendarDay(day)
  return text === undefined ? undefined : Date.parse(`${text}T00:00:00Z`)
}
