import type { PartNames, Reservation, ReservationFormat, ReservationPart } from './reservation.ts'
import type { ReservationDraft } from './reservation-draft.ts'

/** What a channel says of its bodies; every part that it does not name is called in them as it is here. */
export type FormatRules = Pick<ReservationFormat, 'isPlaceholder' | 'leavesOut' | 'parse' | 'ofDraft'> & {
  names: Partial<PartNames>
  /** The spellings in use of one and the same field, the channel's own first. */
  spellings: ReadonlyArray<readonly [string, ...string[]]>
  /** Further names of the id. */
  idNames: readonly string[]
  /** Bookkeeping of the channel's; a difference in it is no other reservation. */
  noise: ReadonlySet<string>
}

/** The parts that are compared as parsed, whatever their spelling or type in a body. */
export const comparedParts = [
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
] as const satisfies ReadonlyArray<ReservationPart>

export const comparedLists = ['units', 'customFieldValues', 'financeFields'] as const

const ownNames: PartNames = {
  ...(Object.fromEntries([...comparedParts, ...comparedLists].map((part) => [part, part])) as Record<
    (typeof comparedParts)[number] | (typeof comparedLists)[number],
    string
  >),
  hostNote: 'hostNote',
  marker: 'marker',
  updatedOn: 'updatedOn',
  insertedOn: 'insertedOn',
  datesUnspecified: null,
}

export function createReservationFormat(rules: FormatRules): ReservationFormat {
  const { spellings, noise, isPlaceholder, leavesOut, parse, ofDraft } = rules
  const names = { ...ownNames, ...rules.names }
  const fieldByKey = new Map<string, string>(
    spellings.flatMap((keys) => keys.map((key) => [key, keys[0]] as const)),
  )
  const keysByField = new Map<string, readonly string[]>(spellings.map((keys) => [keys[0], keys]))
  const comparedAsParsed = new Set<string | null>([
    ...comparedParts.map((part) => names[part]),
    ...comparedLists.map((list) => names[list]),
    ...spellings.flat(),
    ...rules.idNames,
    names.datesUnspecified,
  ])
  const partByField = new Map<string | null, ReservationPart>(
    (Object.keys(names) as ReservationPart[]).map((part) => [names[part], part]),
  )
  const fieldOf = (key: string) => fieldByKey.get(key) ?? key
  return {
    names,
    isPlaceholder,
    leavesOut,
    parse,
    ofDraft,
    fieldOf,
    partOf: (field) => partByField.get(field),
    keysOf: (field) => keysByField.get(fieldOf(field)) ?? [field],
    isNoise: (field) => noise.has(field),
    isComparedAsParsed: (key) => comparedAsParsed.has(key),
  }
}

/**
 * The fields about which a body says something, if only that there is nothing. Dates say that there are dates, and
 * "without dates" says that there is neither an arrival nor a departure. Worked out only where versions tie or overlap:
 * nearly every body is newer than all that is known.
 */
export function presentFields(reservation: Reservation): Set<string> {
  const { format, source } = reservation
  const { arrivalDate, departureDate, datesUnspecified } = format.names
  const present = new Set<string>()
  for (const [key, value] of Object.entries(source)) {
    if (!format.leavesOut(reservation, key, value)) present.add(format.fieldOf(key))
  }
  if (datesUnspecified !== null && (present.has(arrivalDate) || present.has(departureDate))) {
    present.add(datesUnspecified)
  }
  if (reservation.datesUnspecified) present.add(arrivalDate).add(departureDate)
  return present
}

/** Whether a channel has sent the reservation; one that exists as a draft alone has no source. */
export function wasSent({ source }: Reservation): boolean {
  return Object.keys(source).length > 0
}

/** What a channel says of a reservation, and where it has said nothing yet, what TVL wrote in the draft. Pure. */
export function overDraft(sent: Reservation, draft: ReservationDraft | null): Reservation {
  if (draft === null) return sent
  const drafted = sent.format.ofDraft(draft)
  const said = Object.fromEntries(Object.entries(sent).filter(([, value]) => value !== undefined))
  const bookingStatus = sent.status === undefined ? drafted.bookingStatus : sent.bookingStatus
  return { ...drafted, ...said, bookingStatus }
}
