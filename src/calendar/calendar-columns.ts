import { type RawBuilder, sql } from 'kysely'

// Without the `wished_` or `pushed_` before them.
const types = {
  units: 'integer',
  price: 'numeric',
  min_stay: 'integer',
  max_stay: 'integer',
  closed_on_arrival: 'boolean',
  closed_on_departure: 'boolean',
  note: 'text',
} as const

/** What can be said about a night, by the names of its columns without what stands before them. */
export type CalendarColumn = keyof typeof types

const names = Object.keys(types) as CalendarColumn[]

/** A piece of SQL for each column, in their order, between commas or another separator. */
export function perCalendarColumn(
  piece: (name: CalendarColumn) => RawBuilder<unknown>,
  separator: RawBuilder<unknown> = sql`, `,
): RawBuilder<unknown> {
  return sql.join(names.map(piece), separator)
}

/** The columns of desired values: `wished_units, wished_price, …`. */
export const desiredColumns = perCalendarColumn((name) => sql.ref(`desired_${name}`))

/** The columns with their types, for rows that are read from JSON: `units integer, price numeric, …`. */
export const typedColumns = perCalendarColumn((name) => sql`${sql.ref(name)} ${sql.raw(types[name])}`)

/** Sets each desired value to the first row's, or to the second's where the first has none. */
export function desiredOfEither(first: string, second: string): RawBuilder<unknown> {
  return perCalendarColumn((name) => {
    const column = `desired_${name}`
    return sql`${sql.ref(column)} = coalesce(${sql.ref(`${first}.${column}`)}, ${sql.ref(`${second}.${column}`)})`
  })
}
