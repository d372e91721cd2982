import { idText, isRecord } from '../../contract/field-reader.ts'
import { leavesOut } from './present-fields.ts'
import { type Reservation, reservationSpellings } from './reservation.ts'

// Compared as parsed, not by how they were spelled or typed on the wire.
const parsedFields = [
  'id',
  'listingId',
  'status',
  'arrivalDate',
  'departureDate',
  'guestName',
  'guestEmail',
  'phone',
  'numberOfGuests',
  'adults',
  'children',
  'infants',
  'pets',
  'totalPrice',
  'currency',
  'channelName',
  'channelId',
  'confirmationCode',
] as const satisfies ReadonlyArray<keyof Reservation>

const parsedLists = ['units', 'customFieldValues', 'financeFields'] as const

// Bookkeeping of Hostaway's or of people reading there; a difference in it is no other booking.
const noise = new Set([
  'updatedOn',
  'insertedOn',
  'createdAt',
  'latestActivityOn',
  'isProcessed',
  'isInitial',
  'isManuallyChecked',
  'isStarred',
  'isArchived',
  'isPinned',
  'hasPullError',
  'assigneeUserId',
  'guestAuthHash',
  'guestPicture',
  'guestPortalUrl',
  'guestPortalRevampUrl',
  'localeForMessaging',
  'localeForMessagingSource',
  'listingName',
  'listingCustomFields',
  'cancellationPolicyDetails',
])

const nameOnWire: Partial<Record<keyof Reservation, string>> = {
  listingId: 'listingMapId',
  units: 'reservationUnit',
  financeFields: 'financeField',
}

const comparedAsParsed = new Set<string>([
  ...parsedFields,
  ...reservationSpellings.flat(),
  'isDatesUnspecified',
  'hostawayReservationId',
  'reservationUnit',
  'customFieldValues',
  'financeField',
])

/**
 * Whether two bodies of the same version say the same, over the fields both carry (with `only`, over these alone). A
 * null or an empty list against a value counts as "left out" only where Hostaway leaves fields out unless asked. When
 * in doubt they differ.
 */
export function sameReservation(a: Reservation, b: Reservation, only?: ReadonlySet<string>): boolean {
  const counts = (field: string) => only?.has(field) ?? true
  if (counts('isDatesUnspecified') && a.datesUnspecified !== b.datesUnspecified) {
    if (carriesDates(a) && carriesDates(b)) return false
  }
  for (const field of parsedFields) {
    if (!counts(nameOnWire[field] ?? field)) continue
    if (a[field] !== undefined && b[field] !== undefined && a[field] !== b[field]) return false
  }
  for (const list of parsedLists) {
    if (!counts(nameOnWire[list] ?? list)) continue
    if (a[list] !== undefined && b[list] !== undefined && !sameRows(a[list], b[list])) return false
  }
  return sameRest(a, b, counts)
}

/** Whether a field is bookkeeping only, which makes no other booking. */
export function isNoise(field: string): boolean {
  return noise.has(field)
}

function carriesDates(reservation: Reservation): boolean {
  return (
    Object.hasOwn(reservation.source, 'isDatesUnspecified') ||
    reservation.arrivalDate !== undefined ||
    reservation.departureDate !== undefined
  )
}

function sameRest(a: Reservation, b: Reservation, counts: (field: string) => boolean): boolean {
  return Object.entries(a.source).every(([name, value]) => {
    if (comparedAsParsed.has(name) || noise.has(name) || !Object.hasOwn(b.source, name)) return true
    if (!counts(name)) return true
    const other = b.source[name]
    return leavesOut(a, name, value) || leavesOut(b, name, other) || sameValue(value, other)
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
