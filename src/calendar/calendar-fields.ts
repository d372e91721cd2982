/**
 * What can be said about one night. `units` is how many may be sold: 0 or 1 for a listing of one unit. The price is
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

/** The values under the names of their columns, without the `wished_` or `pushed_` before them. */
export function toColumns(values: CalendarValues) {
  return {
    units: values.units,
    price: values.price,
    min_stay: values.minStay,
    max_stay: values.maxStay,
    closed_on_arrival: values.closedOnArrival,
    closed_on_departure: values.closedOnDeparture,
    note: values.note,
  }
}
