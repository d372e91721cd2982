import { idText, isRecord } from './field-reader.ts'
import type { Reservation } from './reservation.ts'
import { comparedLists, comparedParts } from './reservation-format.ts'

/**
 * Whether two bodies of the same version say the same, over the fields both carry (with `only`, over these alone). A
 * null or an empty list against a value counts as "left out" only where the channel leaves fields out. When in doubt
 * they differ.
 */
export function sameReservation(a: Reservation, b: Reservation, only?: ReadonlySet<string>): boolean {
  const counts = (field: string) => only?.has(field) ?? true
  const { names } = a.format
  if (a.datesUnspecified !== b.datesUnspecified && counts(names.datesUnspecified ?? '')) {
    if (carriesDates(a) && carriesDates(b)) return false
  }
  for (const part of comparedParts) {
    if (!counts(names[part])) continue
    if (a[part] !== undefined && b[part] !== undefined && a[part] !== b[part]) return false
  }
  for (const list of comparedLists) {
    if (!counts(names[list])) continue
    if (a[list] !== undefined && b[list] !== undefined && !sameRows(a[list], b[list])) return false
  }
  return sameRest(a, b, counts)
}

function carriesDates(reservation: Reservation): boolean {
  const { datesUnspecified } = reservation.format.names
  return (
    (datesUnspecified !== null && Object.hasOwn(reservation.source, datesUnspecified)) ||
    reservation.arrivalDate !== undefined ||
    reservation.departureDate !== undefined
  )
}

function sameRest(a: Reservation, b: Reservation, counts: (field: string) => boolean): boolean {
  const { format } = a
  return Object.entries(a.source).every(([name, value]) => {
    if (format.isComparedAsParsed(name) || format.isNoise(name) || !Object.hasOwn(b.source, name)) return true
    if (!counts(name)) return true
    const other = b.source[name]
    return format.leavesOut(a, name, value) || format.leavesOut(b, name, other) || sameValue(value, other)
  })
}

// Rows come in any order; those with an id are matched by it.
function sameRows(a: Record<string, unknown>[], b: Record<string, unknown>[]): boolean {
  if (a.length !== b.length) return false
  const inOrder = (rows: Record<string, unknown>[]) =>
    rows.toSorted((left, right) => compareText(rowKey(left), rowKey(right)))
  const others = inOrder(b)
  return inOrder(a).every((row, index) => sameValue(row, others[index]))
}

function rowKey(row: Record<string, unknown>): string {
  const name = typeof row.name === 'string' ? row.name : undefined
  return idText(row.id) ?? idText(row.customFieldId) ?? name ?? ''
}

function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function sameValue(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((value, index) => sameValue(value, b[index]))
  }
  if (isRecord(a) && isRecord(b)) {
    return Object.keys(a).every(
      (name) => name === 'updatedOn' || !Object.hasOwn(b, name) || sameValue(a[name], b[name]),
    )
  }
  if (isScalar(a) && isScalar(b)) return String(a) === String(b)
  return a === b
}

// Ids and amounts come as numbers in one body and as text in another.
function isScalar(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number'
}
