/** The moments a cron expression names, in UTC: five fields, or six with seconds first. */
export type CronTimes = { matches(at: Date): boolean; stepMs: number }

type Field = { least: number; most: number }

const second: Field = { least: 0, most: 59 }
const fields: Field[] = [
  { least: 0, most: 59 },
  { least: 0, most: 23 },
  { least: 1, most: 31 },
  { least: 1, most: 12 },
  { least: 0, most: 7 },
]
const mostSteps = 10_000

/** Reads `*`, numbers, lists, ranges and steps; throws a sentence about anything else. */
export function parseCron(expression: string): CronTimes {
  const parts = expression.trim().split(/\s+/)
  if (parts.length !== 5 && parts.length !== 6) throw unreadable(expression)
  const seconds = parts.length === 6 ? readField(parts[0] ?? '', second, expression) : new Set([0])
  const [minutes, hours, days, months, weekdays] = parts
    .slice(-5)
    .map((part, index) => readField(part, fields[index] ?? second, expression))
  const [, , dayText, , weekdayText] = parts.slice(-5)
  return {
    stepMs: parts.length === 6 ? 1_000 : 60_000,
    matches(at) {
      const weekday = at.getUTCDay()
      const onDay = days?.has(at.getUTCDate()) ?? false
      const onWeekday = (weekdays?.has(weekday) ?? false) || (weekday === 0 && weekdays?.has(7) === true)
      // Where both name days, either will do.
      const isEither = dayText !== '*' && weekdayText !== '*'
      return (
        seconds.has(at.getUTCSeconds()) &&
        (minutes?.has(at.getUTCMinutes()) ?? false) &&
        (hours?.has(at.getUTCHours()) ?? false) &&
        (months?.has(at.getUTCMonth() + 1) ?? false) &&
        (isEither ? onDay || onWeekday : onDay && onWeekday)
      )
    },
  }
}

/** Whether a moment that the expression names lies after `last` and not after `now`. Looks back a week at most. */
export function wasDueSince({ matches, stepMs }: CronTimes, last: Date, now: Date): boolean {
  let at = Math.floor(now.getTime() / stepMs) * stepMs
  for (let step = 0; step < mostSteps && at > last.getTime(); step += 1) {
    if (matches(new Date(at))) return true
    at -= stepMs
  }
  return false
}

function readField(text: string, { least, most }: Field, expression: string): Set<number> {
  const values = new Set<number>()
  for (const item of text.split(',')) {
    const match = /^(\*|\d{1,2})(?:-(\d{1,2}))?(?:\/(\d{1,2}))?$/.exec(item)
    if (match === null) throw unreadable(expression)
    const [, start = '', end, step] = match
    const first = start === '*' ? least : Number(start)
    const open = start === '*' || (end === undefined && step !== undefined) ? most : first
    const last = end === undefined ? open : Number(end)
    const by = step === undefined ? 1 : Number(step)
    if (first < least || last > most || last < first || by < 1) throw unreadable(expression)
    for (let value = first; value <= last; value += by) values.add(value)
  }
  return values
}

function unreadable(expression: string): Error {
  return new Error(`"${expression}" is not a cron expression of five or six fields`)
}
