import { isDeepStrictEqual } from 'node:util'
import type { BookingRow, NewBookingRow } from '../platform/db/tables.ts'
import { type BookingWrite, replaced, toBookingRow } from './booking-store.ts'

// The body and the mapping of a booking; neither is part of its content.
const bookkeeping: ReadonlySet<string> = new Set([
  'mapping_version',
  'version_kind',
  'version_at',
  'fetched_at',
  'field_versions',
  'source_updated_at',
])

/** Whether a booking would say anything else after a write. Pure. */
export function changesBooking(row: BookingRow, write: BookingWrite): boolean {
  const next = toBookingRow(write)
  return replaced.some(
    (column) => !bookkeeping.has(column) && !isDeepStrictEqual(row[column], readBack(next, column)),
  )
}

// jsonb is written as text and read as a value.
function readBack(row: NewBookingRow, column: (typeof replaced)[number]): unknown {
  const value = row[column]
  const isJson = column === 'fields' || column === 'mapping_warnings'
  return isJson && typeof value === 'string' ? JSON.parse(value) : value
}
