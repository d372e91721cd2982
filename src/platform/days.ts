export const dayMs = 86_400_000

const firstDay = '0001-01-01'

/** Whether a value is a day of the calendar as `YYYY-MM-DD`, from the year 1 on as in PostgreSQL. */
export function isDay(value: unknown): value is string {
  if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(value) || value < firstDay) return false
  const time = startOf(value)
  return !Number.isNaN(time) && dayAt(time) === value
}

/** The plain day `days` after another one, or before it; no time zone can shift plain days. Both lie before year 10,000. */
export function addDays(day: string, days: number): string {
  return dayAt(startOf(day) + days * dayMs)
}

/** How many days the second day lies after the first; negative if it lies before. */
export function daysBetween(from: string, to: string): number {
  return (startOf(to) - startOf(from)) / dayMs
}

/** All days from one to another, both included; none if the second lies before the first. */
export function eachDay(from: string, to: string): string[] {
  return Array.from({ length: Math.max(0, daysBetween(from, to) + 1) }, (_, index) => addDays(from, index))
}

/** The calendar day in a time zone at an instant; in UTC where the zone is unknown. */
export function dayIn(timeZone: string | null, at: Date): string {
  // This locale writes days as ISO does.
  return new Intl.DateTimeFormat('en-CA', {
    timeZone: timeZone ?? 'UTC',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  }).format(at)
}

function startOf(day: string): number {
  return Date.parse(`${day}T00:00:00Z`)
}

function dayAt(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}
