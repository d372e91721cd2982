const dayPattern = /^\d{4}-\d{2}-\d{2}$/
const millisecondsPerDay = 86_400_000

/** True for an existing calendar day written as `YYYY-MM-DD`. */
export function isDay(value: unknown): value is string {
  return typeof value === 'string' && dayPattern.test(value) && dayFromNumber(dayNumber(value)) === value
}

/** Days since 1970-01-01; NaN when the text has no numbers where a day has them. */
export function dayNumber(day: string): number {
  const [year, month, date] = [Number(day.slice(0, 4)), Number(day.slice(5, 7)), Number(day.slice(8, 10))]
  return Date.UTC(year, month - 1, date) / millisecondsPerDay
}

const dayTexts = new Map<number, string>()

function dayFromNumber(number: number): string {
  if (!Number.isFinite(number)) return ''
  let text = dayTexts.get(number)
  if (text === undefined) {
    text = new Date(number * millisecondsPerDay).toISOString().slice(0, 10)
    dayTexts.set(number, text)
  }
  return text
}

export function addDays(day: string, count: number): string {
  return dayFromNumber(dayNumber(day) + count)
}

export function daysBetween(from: string, to: string): number {
  return dayNumber(to) - dayNumber(from)
}

/** Every day from `first` to `last`, both included; none when `last` is earlier. */
export function eachDay(first: string, last: string): string[] {
  const start = dayNumber(first)
  return Array.from({ length: Math.max(0, dayNumber(last) - start + 1) }, (_, index) =>
    dayFromNumber(start + index),
  )
}

/** The nights of a stay: arrival included, departure not. */
export function nightsOf(arrivalDate: string, departureDate: string): string[] {
  return eachDay(arrivalDate, addDays(departureDate, -1))
}

export function todayInUtc(): string {
  return new Date().toISOString().slice(0, 10)
}

/** `YYYY-MM-DD HH:MM:SS` in UTC, the only form of time that Hostaway writes. */
export function datetimeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 19).replace('T', ' ')
}

export function datetimeMilliseconds(text: string): number {
  return Date.parse(`${text.replace(' ', 'T')}Z`)
}
