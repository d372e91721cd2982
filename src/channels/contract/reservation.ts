import type { FieldProblem, Read } from './field-reader.ts'
import type { ReservationDraft } from './reservation-draft.ts'

/** What a reservation's status means for a booking. `unknown` = a status that the channel has no meaning for: a person decides. */
export type ReservationMeaning = 'confirmed' | 'pending' | 'cancelled' | 'inquiry' | 'unknown'

/**
 * A reservation as a channel holds it. `undefined` = the body did not say (bodies are often partial), `null` = said to be
 * nothing. Days are `YYYY-MM-DD`, amounts decimal text in `currency`, instants UTC.
 */
export type Reservation = {
  id: string
  listingId: string | undefined
  /** As the channel spells it. */
  status: string | undefined
  bookingStatus: ReservationMeaning
  arrivalDate: Read<string>
  departureDate: Read<string>
  datesUnspecified: boolean
  guestName: Read<string>
  guestEmail: Read<string>
  phone: Read<string>
  numberOfGuests: Read<number>
  adults: Read<number>
  children: Read<number>
  infants: Read<number>
  pets: Read<number>
  totalPrice: Read<string>
  currency: Read<string>
  /** Where the guest has booked. */
  channelName: Read<string>
  channelId: Read<string>
  confirmationCode: Read<string>
  hostNote: Read<string>
  /** The text that the maker of the reservation left in it, to find it again. */
  marker: Read<string>
  /** 1 also when `units` is undefined: then the body did not say how many. */
  unitCount: number
  units: Record<string, unknown>[] | undefined
  /** The version of the reservation, where the channel gives one. */
  updatedOn: Date | undefined
  insertedOn: Date | undefined
  customFieldValues: Record<string, unknown>[] | undefined
  financeFields: Record<string, unknown>[] | undefined
  /** Whether it was asked for with everything that belongs to it; else an empty list says nothing. */
  isComplete: boolean
  /** What could not be read; the field concerned is undefined. */
  problems: FieldProblem[]
  /** The object as sent, storable and without card data; empty for one that no channel has sent. */
  source: Record<string, unknown>
  /** How the channel spells its bodies. */
  format: ReservationFormat
}

export type ParsedReservation =
  | { reservation: Reservation; problems: FieldProblem[] }
  | { reservation: null; problems: FieldProblem[] }

/** A part of a reservation that a body has a name for. */
export type ReservationPart = Exclude<
  keyof Reservation,
  'bookingStatus' | 'unitCount' | 'isComplete' | 'problems' | 'source' | 'format'
>

export type PartNames = Record<Exclude<ReservationPart, 'datesUnspecified'>, string> & {
  /** Null where every reservation of the channel has dates. */
  datesUnspecified: string | null
}

/** How a channel spells reservations: enough to compare, merge and map its bodies without knowing the channel. */
export type ReservationFormat = {
  names: PartNames
  /** Whether a value may stand for something that was left out. */
  isPlaceholder(key: string, value: unknown): boolean
  /** Whether a key of a body says nothing. */
  leavesOut(reservation: Reservation, key: string, value: unknown): boolean
  /** Reads a reservation; null only when it has no usable id. Total: it never throws. */
  parse(data: unknown): ParsedReservation
  /** The reservation that the channel is going to make of a draft. It has no source, and its id is the marker. Pure. */
  ofDraft(draft: ReservationDraft): Reservation
  /** The channel's own name of the field that a key stands for. */
  fieldOf(key: string): string
  /** The keys under which a field may be found, by any of its names; the channel's own first. */
  keysOf(field: string): readonly string[]
  isNoise(field: string): boolean
  /** The part that a field stands for, if it is one that a reservation is compared or written by. */
  partOf(field: string): ReservationPart | undefined
  /** Whether a key is compared by what was parsed of it, and not by its value in the body. */
  isComparedAsParsed(key: string): boolean
}
