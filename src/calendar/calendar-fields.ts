import { type RawBuilder, sql } from 'kysely'
import type { CalendarDay, CalendarInterval } from '../channels/contract/calendar.ts'
import type { CalendarDayRow } from '../platform/db/outbound-tables.ts'

/**
 * What can be desired for one night. `units` is how many may be sold: 0 or 1 for a listing of one unit. The price is
 * decimal text in the listing's currency. A field left out means "no opinion".
 */
export type CalendarValues = {
  units?: number
  price?: string
  minStay?: number
  maxStay?: number
  closedOnArrival?: boolean
  closedOnDeparture?: boolean
  note?: string
}

export type CalendarField = keyof CalendarValues

/** The same values for the nights from `from` to `to`, both included. */
export type CalendarRange = { from: string; to: string; values: CalendarValues }

/** A night as a channel showed it; `units` is null where a booking holds it, so that it says nothing about the desired value. */
export type ObservedNight = { day: string } & {
  [Field in CalendarField]-?: NonNullable<CalendarValues[Field]> | null
}

// The one list of fields: their columns without `desired_` or `pushed_`, and their names in a channel's calendar. Units
// have none, as a channel knows them as a number to sell or as open and closed.
const calendarFields = {
  units: { column: 'units', type: 'integer', channel: undefined },
  price: { column: 'price', type: 'numeric', channel: 'price' },
  minStay: { column: 'min_stay', type: 'integer', channel: 'minimumStay' },
  maxStay: { column: 'max_stay', type: 'integer', channel: 'maximumStay' },
  closedOnArrival: { column: 'closed_on_arrival', type: 'boolean', channel: 'closedOnArrival' },
  closedOnDeparture: { column: 'closed_on_departure', type: 'boolean', channel: 'closedOnDeparture' },
  note: { column: 'note', type: 'text', channel: 'note' },
} as const satisfies Record<
  CalendarField,
  { column: string; type: string; channel: keyof CalendarDay | undefined }
>

export type CalendarColumn = (typeof calendarFields)[CalendarField]['column']

/** Every field, in the order of its columns. */
export const fieldNames = Object.keys(calendarFields) as CalendarField[]
const descriptors = Object.values(calendarFields)

/** A piece of SQL for each column, in their order, between commas or another separator. */
export function perCalendarColumn(
  piece: (name: CalendarColumn) => RawBuilder<unknown>,
  separator: RawBuilder<unknown> = sql`, `,
): RawBuilder<unknown> {
  return sql.join(
    descriptors.map(({ column }) => piece(column)),
    separator,
  )
}

/** The columns of desired values: `desired_units, desired_price, …`. */
export const desiredColumns = perCalendarColumn((name) => sql.ref(`desired_${name}`))

/** The columns with their types, for rows that are read from JSON: `units integer, price numeric, …`. */
export const typedColumns = sql.join(
  descriptors.map(({ column, type }) => sql`${sql.ref(column)} ${sql.raw(type)}`),
  sql`, `,
)

/** Sets each desired value to the first row's, or to the second's where the first has none. */
export function desiredOfEither(first: string, second: string): RawBuilder<unknown> {
  return perCalendarColumn((name) => {
    const column = `desired_${name}`
    return sql`${sql.ref(column)} = coalesce(${sql.ref(`${first}.${column}`)}, ${sql.ref(`${second}.${column}`)})`
  })
}

/** The values under the names of their columns. */
export function toColumns(values: CalendarValues | Omit<ObservedNight, 'day'>): Record<string, unknown> {
  return Object.fromEntries(fieldNames.map((field) => [calendarFields[field].column, values[field]]))
}

/** The value that a stored night has in a field; null where it has none. */
export function valueAt(
  night: CalendarDayRow,
  state: 'desired' | 'pushed',
  field: CalendarField,
): string | number | boolean | null {
  return night[`${state}_${calendarFields[field].column}`]
}

/** What a channel shows of a night, but for its units. */
export function observedIn(day: CalendarDay): Omit<ObservedNight, 'day' | 'units'> {
  const entries = fieldNames.flatMap((field) => {
    const { channel } = calendarFields[field]
    return channel === undefined ? [] : [[field, day[channel] ?? null]]
  })
  return Object.fromEntries(entries)
}

/** Values by a channel's names, but for the units. */
export function toChannel(values: CalendarValues): Partial<CalendarInterval> {
  const entries = fieldNames.flatMap((field) => {
    const { channel } = calendarFields[field]
    return channel === undefined || values[field] === undefined ? [] : [[channel, values[field]]]
  })
  return Object.fromEntries(entries)
}
