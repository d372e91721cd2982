import { idText, isRecord } from '../channels/contract/field-reader.ts'
import type { ReservationFormat } from '../channels/contract/reservation.ts'

/** The keys under which a body may hold a day of the stay. */
export function stayDayKeys({ names, keysOf }: ReservationFormat): string[] {
  return [...keysOf(names.arrivalDate), ...keysOf(names.departureDate)]
}

/** Whether a finance line counts: removed lines may be kept, marked as deleted. */
export function isCharged(line: Record<string, unknown>): boolean {
  return line.isDeleted !== 1 && line.isDeleted !== true
}

/** The name of the custom field that a value belongs to where the body expands the field. */
export function customFieldName(row: Record<string, unknown>): string | undefined {
  const { customField } = row
  return isRecord(customField) && typeof customField.name === 'string' ? customField.name.trim() : undefined
}

/** The finance lines of a name that count. */
export function linesNamed(lines: Record<string, unknown>[], name: string): Record<string, unknown>[] {
  return lines.filter((line) => line.name === name && isCharged(line))
}

/** The value of a custom field, found by its id or, whatever its case, by its name. */
export function customFieldValue(rows: Record<string, unknown>[], field: string | number): unknown {
  const wanted = String(field).toLowerCase()
  const row = rows.find(
    (one) => idText(one.customFieldId) === wanted || customFieldName(one)?.toLowerCase() === wanted,
  )
  return row?.value
}
