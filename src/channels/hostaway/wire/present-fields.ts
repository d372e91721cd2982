import { type Reservation, reservationSpellings } from './reservation.ts'

const fieldBySpelling = new Map<string, string>(
  reservationSpellings.flatMap((spellings) => spellings.map((name) => [name, spellings[0]] as const)),
)
const spellingsByField = new Map<string, readonly string[]>(
  reservationSpellings.map((spellings) => [spellings[0], spellings]),
)

/** The field that a key stands for: Hostaway's own name of it. */
export function fieldOf(key: string): string {
  return fieldBySpelling.get(key) ?? key
}

/** The keys under which a field may be found. */
export function keysOf(field: string): readonly string[] {
  return spellingsByField.get(field) ?? [field]
}

/**
 * The fields about which a body says something, if only that there is nothing. Dates say that there are dates, and
 * "without dates" says that there is neither an arrival nor a departure.
 */
export function presentFields(reservation: Reservation): Set<string> {
  const said = new Set<string>()
  for (const [key, value] of Object.entries(reservation.source)) {
    if (!leavesOut(reservation, key, value)) said.add(fieldOf(key))
  }
  if (said.has('arrivalDate') || said.has('departureDate')) said.add('isDatesUnspecified')
  if (reservation.datesUnspecified) said.add('arrivalDate').add('departureDate')
  return said
}

/** Whether a key of a body says nothing: unless asked for everything, Hostaway sends empty lists and nulls for what it left out. */
export function leavesOut(reservation: Reservation, key: string, value: unknown): boolean {
  // That one is sent for another parameter, which is never asked for.
  if (key === 'remainingBalance' && value === null) return true
  return !reservation.includesResources && isPlaceholder(key, value)
}

/** Whether a value may stand for something that was left out. */
export function isPlaceholder(key: string, value: unknown): boolean {
  if (value === null) {
    return key === 'hostProxyEmail' || key === 'remainingBalance' || key.startsWith('bookingcom')
  }
  return Array.isArray(value) && value.length === 0
}
