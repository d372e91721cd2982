import { Type } from 'typebox'
import { Problem } from '../platform/http/problems.ts'

const dayMs = 86_400_000

/** A calendar day `YYYY-MM-DD` in a query. The year 0 is a date to the format; `requireDay` refuses it. */
export const DayText = Type.String({ format: 'date', description: '`YYYY-MM-DD`' })

const firstYear = '0001'

/** Refuses a day that no calendar has, such as 2027-02-30. */
export function requireDay(name: string, day: string): string {
  const time = Date.parse(`${day}T00:00:00Z`)
  if (Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== day || day < firstYear) {
    throw new Problem(422, 'VALIDATION_FAILED', `${name} is not a calendar day`, [
      { field: name, message: 'is not a calendar day' },
    ])
  }
  return day
}

/** The day `days` after another; both are plain days, so no time zone can shift them. */
export function addDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * dayMs).toISOString().slice(0, 10)
}

/** All days from one to another, both inclusive. */
export function daysBetween(from: string, to: string): string[] {
  const days: string[] = []
  for (let day = from; day <= to; day = addDays(day, 1)) days.push(day)
  return days
}
