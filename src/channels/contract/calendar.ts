import type { Read } from './field-reader.ts'

/** Only `available` and `blocked` are up to the host; a booking holds or may hold the night in every other one. */
export type CalendarStatus = 'available' | 'blocked' | 'reserved' | 'pending' | 'other'

/** One night of a listing as its channel holds it; the price is decimal text in the listing's currency. */
export type CalendarDay = {
  date: string
  status: CalendarStatus
  isAvailable: boolean | undefined
  price: Read<string>
  minimumStay: Read<number>
  maximumStay: Read<number>
  closedOnArrival: Read<boolean>
  closedOnDeparture: Read<boolean>
  note: Read<string>
  availableUnitsToSell: Read<number>
  desiredUnitsToSell: Read<number>
}

/** What to write to the nights from `startDate` to `endDate`, both included. Left out = leave as it is. */
export type CalendarInterval = {
  startDate: string
  endDate: string
  isAvailable?: boolean
  desiredUnitsToSell?: number
  price?: string
  minimumStay?: number
  maximumStay?: number
  closedOnArrival?: boolean
  closedOnDeparture?: boolean
  note?: string
}
