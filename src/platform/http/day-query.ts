import { Type } from 'typebox'
import { isDay } from '../days.ts'
import { Problem } from './problems.ts'

/** A calendar day `YYYY-MM-DD` in a query. The format allows the year 0; `requireDay` refuses it. */
export const DayText = Type.String({ format: 'date', description: '`YYYY-MM-DD`' })

/** Refuses a day that no calendar has, such as 2027-02-30. */
export function requireDay(name: string, day: string): string {
  if (isDay(day)) return day
  throw new Problem(422, 'VALIDATION_FAILED', `${name} is not a calendar day`, [
    { field: name, message: 'is not a calendar day' },
  ])
}
