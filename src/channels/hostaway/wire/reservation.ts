import { createFieldReader, isRecord, type Problem, type Read } from '../../contract/field-reader.ts'
import { storableSource } from '../../contract/storable-source.ts'
import { meaningOfStatus, type ReservationMeaning } from './reservation-status.ts'

/**
 * A reservation as Hostaway holds it. `undefined` = the body did not say (bodies are often partial), `null` = said to be
 * nothing. Days are `YYYY-MM-DD`, amounts decimal text in `currency`, instants UTC.
 */
export type Reservation = {
  id: string
  listingId: string | undefined
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
  channelName: Read<string>
  channelId: Read<string>
  confirmationCode: Read<string>
  hostNote: Read<string>
  /** Free text of whoever made the reservation through the API; also a filter of the list. */
  customerUserId: Read<string>
  /** 1 also when `units` is undefined: then nobody said how many. */
  unitCount: number
  units: Record<string, unknown>[] | undefined
  updatedOn: Date | undefined
  insertedOn: Date | undefined
  customFieldValues: Record<string, unknown>[] | undefined
  financeFields: Record<string, unknown>[] | undefined
  /** Whether it was asked for with everything that belongs to it; else an empty list says nothing. */
  includesResources: boolean
  /** What could not be read; the field concerned is undefined. */
  problems: Problem[]
  /** The object as sent, storable and without card data. */
  source: Record<string, unknown>
}

export type ParsedReservation =
  | { reservation: Reservation; problems: Problem[] }
  | { reservation: null; problems: Problem[] }

/** The spellings in use of one and the same field, Hostaway's own first. */
export const reservationSpellings = [
  ['arrivalDate', 'checkIn'],
  ['departureDate', 'checkOut'],
  ['listingMapId', 'listingId'],
  ['phone', 'guestPhone'],
  ['insertedOn', 'createdAt'],
] as const

/**
 * Reads a reservation from a webhook or an answer; null only when it has no usable id. Never throws.
 * `includesResources` says that it was asked for with everything, so that an empty list means "none".
 */
export function parseReservation(
  data: unknown,
  { includesResources = false }: { includesResources?: boolean } = {},
): ParsedReservation {
  const problems: Problem[] = []
  if (!isRecord(data)) {
    return {
      reservation: null,
      problems: [{ field: 'data', code: 'wrong_type', message: 'is not an object' }],
    }
  }
  const { source, cut } = storableSource(data)
  const reader = createFieldReader(source, problems)
  if (cut) reader.report('data', 'nested_too_deeply', 'is nested too deeply; the deepest parts were left out')

  const id = reader.id('id', 'hostawayReservationId')
  if (typeof id !== 'string') {
    if (id === null || problems.length === 0) reader.report('id', 'missing', 'is missing')
    return { reservation: null, problems }
  }

  const status = reader.text('status') ?? undefined
  const datesUnspecified = reader.flag('isDatesUnspecified') === true
  // Without dates Hostaway sends yesterday for both.
  const stayDay = (...names: string[]) => (datesUnspecified ? null : reader.day(...names))
  const rows = (name: string) => recordsOf(reader.rows(name), includesResources)
  const units = rows('reservationUnit')

  const reservation: Reservation = {
    id,
    listingId: reader.id('listingMapId', 'listingId') ?? undefined,
    status,
    bookingStatus: meaningOfStatus(status),
    arrivalDate: stayDay('arrivalDate', 'checkIn'),
    departureDate: stayDay('departureDate', 'checkOut'),
    datesUnspecified,
    guestName: reader.text('guestName'),
    guestEmail: reader.text('guestEmail'),
    phone: reader.text('phone', 'guestPhone'),
    numberOfGuests: reader.count('numberOfGuests'),
    adults: reader.count('adults'),
    children: reader.count('children'),
    infants: reader.count('infants'),
    pets: reader.count('pets'),
    totalPrice: reader.amount('totalPrice'),
    currency: reader.currency('currency'),
    channelName: reader.text('channelName'),
    channelId: reader.id('channelId'),
    confirmationCode: reader.text('confirmationCode'),
    hostNote: reader.text('hostNote'),
    customerUserId: reader.text('customerUserId'),
    unitCount: Math.max(1, units?.length ?? 1),
    units,
    updatedOn: reader.instant('updatedOn'),
    insertedOn: reader.instant('insertedOn', 'createdAt'),
    customFieldValues: rows('customFieldValues'),
    financeFields: rows('financeField'),
    includesResources,
    problems,
    source,
  }
  return { reservation, problems }
}

function recordsOf(rows: Read<unknown[]>, emptyMeansNone: boolean): Record<string, unknown>[] | undefined {
  if (!Array.isArray(rows)) return undefined
  const records = rows.filter(isRecord)
  return records.length > 0 || emptyMeansNone ? records : undefined
}
