import type { Reservation, ReservationFormat } from './reservation.ts'
import { sameReservation } from './reservation-comparison.ts'
import { presentFields } from './reservation-format.ts'

/** Versions of fields, by the channel's names of them; texts that sort as the versions follow each other. */
export type FieldVersions = Record<string, string>

/** One body and its version. */
export type ReservationBody = { reservation: Reservation; version: string }

/**
 * What bodies of several versions say together: of each field what the newest body says that speaks of it. `version` is
 * the newest of all. `fields` holds the fields that are not of it, and those of it that do not show in the source.
 */
export type MergedReservation = ReservationBody & { fields: FieldVersions | null }

export type FieldComparison = {
  /** The body says something of which nothing as new was heard. */
  bringsNews: boolean
  /** It says something else than another body of its version did. */
  contradicts: boolean
}

const neverSaid = ''

/** What a body adds to, or contradicts in, what is known. Bookkeeping of the channel's counts for neither. */
export function compareFields(known: MergedReservation, body: ReservationBody): FieldComparison {
  const { isNoise } = body.reservation.format
  if (known.fields === null && isCovered(body.reservation, known.reservation.source, isNoise)) {
    const tied = body.version === known.version
    return { bringsNews: false, contradicts: tied && !sameReservation(body.reservation, known.reservation) }
  }
  const present = presentFields(body.reservation)
  const tied = new Set<string>()
  let bringsNews = false
  for (const field of present) {
    const version = versionOf(known, field)
    if (version === body.version) tied.add(field)
    else if (version < body.version && !isNoise(field)) bringsNews = true
  }
  const contradicts = tied.size > 0 && !sameReservation(body.reservation, known.reservation, tied)
  return { bringsNews, contradicts }
}

/**
 * Adds a body to what is known, whatever is newer; of equal versions the body's word counts. The same bodies end in the
 * same reservation, whatever the order and however often they are added. Undefined knows nothing yet.
 */
export function mergeReservation(
  known: MergedReservation | undefined,
  body: ReservationBody,
): MergedReservation {
  if (saysAllAnew(known, body)) return { ...body, fields: null }
  const { format } = body.reservation
  const versionBefore = (field: string) => (known === undefined ? neverSaid : versionOf(known, field))
  const present = [...presentFields(body.reservation)]
  const taken = new Set(present.filter((field) => versionBefore(field) <= body.version))
  const version = known === undefined || known.version < body.version ? body.version : known.version
  const sourceBefore = known?.reservation.source ?? {}
  const source = mergeSources(sourceBefore, body.reservation, taken)
  const fields = exceptions(
    { format, source, version },
    new Set([...taken, ...Object.keys(source).map(format.fieldOf), ...Object.keys(known?.fields ?? {})]),
    (field) => (taken.has(field) ? body.version : versionBefore(field)),
  )
  const inherits = Object.keys(sourceBefore).some(
    (key) =>
      !taken.has(format.fieldOf(key)) && !format.isNoise(key) && shows(format, source, format.fieldOf(key)),
  )
  return { version, fields, reservation: inherits ? reread(source, body) : { ...body.reservation, source } }
}

// What nearly every body does: it is newer and speaks of everything that is known, so that nothing has to be merged.
function saysAllAnew(
  known: MergedReservation | undefined,
  { reservation, version }: ReservationBody,
): boolean {
  if (reservation.isComplete || reservation.datesUnspecified) return false
  const { datesUnspecified } = reservation.format.names
  if (datesUnspecified !== null && !Object.hasOwn(reservation.source, datesUnspecified)) return false
  if (known === undefined) return true
  if (known.fields !== null || known.version >= version) return false
  return isCovered(known.reservation, reservation.source, () => false)
}

// Whether everything that a body speaks of shows in a source, but for what does not count.
function isCovered(
  body: Reservation,
  source: Record<string, unknown>,
  isIgnored: (field: string) => boolean,
): boolean {
  if (body.datesUnspecified) return false
  const { format } = body
  for (const key of Object.keys(body.source)) {
    if (Object.hasOwn(source, key) && !format.isPlaceholder(key, source[key])) continue
    if (format.leavesOut(body, key, body.source[key]) || isIgnored(key)) continue
    if (!shows(format, source, format.fieldOf(key))) return false
  }
  return true
}

// A field that shows in the source is of the newest version unless something else is noted.
function versionOf({ reservation, version, fields }: MergedReservation, field: string): string {
  if (fields !== null && Object.hasOwn(fields, field)) return fields[field] ?? neverSaid
  return shows(reservation.format, reservation.source, field) ? version : neverSaid
}

function shows(format: ReservationFormat, source: Record<string, unknown>, field: string): boolean {
  const { isPlaceholder } = format
  if (Object.hasOwn(source, field) && !isPlaceholder(field, source[field])) return true
  return format.keysOf(field).some((key) => Object.hasOwn(source, key) && !isPlaceholder(key, source[key]))
}

function exceptions(
  {
    format,
    source,
    version,
  }: { format: ReservationFormat; source: Record<string, unknown>; version: string },
  candidates: Iterable<string>,
  versionOfField: (field: string) => string,
): FieldVersions | null {
  const noted: Array<[string, string]> = []
  for (const field of candidates) {
    const own = versionOfField(field)
    if (own !== (shows(format, source, field) ? version : neverSaid)) noted.push([field, own])
  }
  return noted.length === 0 ? null : Object.fromEntries(noted)
}

function mergeSources(
  known: Record<string, unknown>,
  body: Reservation,
  taken: ReadonlySet<string>,
): Record<string, unknown> {
  const { format } = body
  const { arrivalDate, departureDate } = format.names
  const kept = Object.entries(known).filter(([key]) => !taken.has(format.fieldOf(key)))
  const sent = Object.entries(body.source).filter(([key, value]) => {
    // What was left out still shows that there is such a field.
    if (format.leavesOut(body, key, value)) return !Object.hasOwn(known, key)
    const field = format.fieldOf(key)
    // Without dates both days may be anything; once there are dates again, that must not be one of them.
    if (body.datesUnspecified && (field === arrivalDate || field === departureDate)) return false
    return taken.has(field)
  })
  return Object.fromEntries([...kept, ...sent])
}

function reread(source: Record<string, unknown>, { reservation: body }: ReservationBody): Reservation {
  const { reservation } = body.format.parse(source)
  if (reservation === null) throw new Error(`reservation ${body.id} lost its id`)
  return reservation
}
