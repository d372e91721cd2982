import type { CalendarDay, CalendarInterval, CalendarStatus } from '../../contract/calendar.ts'
import { createFieldReader, type FieldProblem, isRecord } from '../../contract/field-reader.ts'

/** Hostaway refuses a longer list of intervals in one call. */
export const maxIntervalsPerCall = 200

const documentedStatuses: ReadonlySet<string> = new Set(['available', 'blocked', 'reserved', 'pending'])

/** Reads the days of a calendar; a row without a usable date becomes a problem. Undefined when it is no list. Never throws. */
export function parseCalendar(
  result: unknown,
): { days: CalendarDay[]; problems: FieldProblem[] } | undefined {
  if (!Array.isArray(result)) return undefined
  const problems: FieldProblem[] = []
  const days = result.flatMap((row) => {
    const day = parseDay(row, problems)
    return day === undefined ? [] : [day]
  })
  return { days, problems }
}

function parseDay(row: unknown, problems: FieldProblem[]): CalendarDay | undefined {
  const reader = createFieldReader(isRecord(row) ? row : {}, problems)
  const date = reader.day('date')
  if (typeof date !== 'string') return reader.report('date', 'missing', 'a day of the calendar has no date')
  const status = reader.text('status') ?? ''
  return {
    date,
    status: isDocumented(status) ? status : 'other',
    isAvailable: reader.flag('isAvailable') ?? undefined,
    price: reader.amount('price'),
    minimumStay: reader.count('minimumStay'),
    maximumStay: reader.count('maximumStay'),
    closedOnArrival: reader.flag('closedOnArrival'),
    closedOnDeparture: reader.flag('closedOnDeparture'),
    note: reader.text('note'),
    availableUnitsToSell: reader.count('availableUnitsToSell'),
    desiredUnitsToSell: reader.count('desiredUnitsToSell'),
  }
}

/** An interval as Hostaway reads it: 0 and 1 for no and yes, a JSON number for the price. */
export function toWireInterval(interval: CalendarInterval): Record<string, string | number> {
  const { startDate, endDate, price, isAvailable, closedOnArrival, closedOnDeparture, ...others } = interval
  const wire: Record<string, string | number | undefined> = {
    startDate,
    endDate,
    ...others,
    price: price === undefined ? undefined : Number(price),
    isAvailable: zeroOrOne(isAvailable),
    closedOnArrival: zeroOrOne(closedOnArrival),
    closedOnDeparture: zeroOrOne(closedOnDeparture),
  }
  const sent: Record<string, string | number> = {}
  for (const [name, value] of Object.entries(wire)) if (value !== undefined) sent[name] = value
  return sent
}

function zeroOrOne(flag: boolean | undefined): 0 | 1 | undefined {
  if (flag === undefined) return undefined
  return flag ? 1 : 0
}

function isDocumented(status: string): status is Exclude<CalendarStatus, 'other'> {
  return documentedStatuses.has(status)
}
