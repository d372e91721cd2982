import { isRecord } from './field-reader.ts'
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
 * Whether two bodies of the same version say the same, over the fields both carry. A null or an empty list against a
 * value counts as "left out" only where Hostaway leaves fields out unless asked. When in doubt they differ.
 */
export function sameReservation(a: Reservation, b: Reservation): boolean {
  if (a.datesUnspecified !== b.datesUnspecified && carriesDates(a) && carriesDates(b)) return false
  for (const field of parsedFields) {
    if (a[field] !== undefined && b[field] !== undefined && a[field] !== b[field]) return false
  }
  for (const list of parsedLists) {
    if (a[list] !== undefined && b[list] !== undefined && !sameRows(a[list], b[list])) return false
  }
  return sameRest(a, b)
}

/** The newer of two versions, filled up with what only the older one says. */
export function mergeReservation(older: Reservation, newer: Reservation): Reservation {
  const merged: Reservation = { ...older }
  for (const [field, value] of Object.entries(newer)) {
    if (value !== undefined) Object.assign(merged, { [field]: value })
  }
  merged.bookingStatus = newer.status === undefined ? older.bookingStatus : newer.bookingStatus
  merged.datesUnspecified = carriesDates(newer) ? newer.datesUnspecified : older.datesUnspecified
  merged.unitCount = newer.units === undefined ? older.unitCount : newer.unitCount
  merged.problems = [...older.problems.filter(({ field }) => !says(newer, field)), ...newer.problems]
  merged.source = mergeSources(older.source, newer)
  return merged
}

function mergeSources(older: Record<string, unknown>, newer: Reservation): Record<string, unknown> {
  const merged = { ...older }
  for (const spellings of reservationSpellings) {
    // Else the older spelling of a field would stand beside the newer value under another one.
    if (!spellings.some((name) => Object.hasOwn(newer.source, name))) continue
    for (const name of spellings) delete merged[name]
  }
  // Else an older "without dates" would outlive the dates that ended it.
  if (carriesDates(newer)) delete merged.isDatesUnspecified
  const said = Object.entries(newer.source).filter(
    ([name, value]) => !(Object.hasOwn(older, name) && leavesOut(newer, name, value)),
  )
  return { ...merged, ...Object.fromEntries(said) }
}

// Whether a body speaks of a field, under whatever spelling.
function says(reservation: Reservation, field: string): boolean {
  const spellings = reservationSpellings.find((names) => names.some((name) => name === field)) ?? [field]
  return spellings.some((name) => Object.hasOwn(reservation.source, name))
}

function carriesDates(reservation: Reservation): boolean {
  return (
    Object.hasOwn(reservation.source, 'isDatesUnspecified') ||
    reservation.arrivalDate !== undefined ||
    reservation.departureDate !== undefined
  )
}

function sameRest(a: Reservation, b: Reservation): boolean {
  return Object.entries(a.source).every(([name, value]) => {
    if (comparedAsParsed.has(name) || noise.has(name) || !Object.hasOwn(b.source, name)) return true
    const other = b.source[name]
    return leavesOut(a, name, value) || leavesOut(b, name, other) || sameValue(value, other)
  })
}

// Unless asked for everything, Hostaway sends empty lists and nulls for what it left out.
function leavesOut(reservation: Reservation, name: string, value: unknown): boolean {
  // That one is sent for another parameter, which is never asked for.
  if (name === 'remainingBalance' && value === null) return true
  if (reservation.includesResources) return false
  if (value === null) return name === 'hostProxyEmail' || name.startsWith('bookingcom')
  return Array.isArray(value) && value.length === 0
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
  return String(row.id ?? row.customFieldId ?? row.name ?? '')
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
