import {
  createFieldReader,
  type FieldProblem,
  type FieldReader,
  isRecord,
  type Read,
} from '../../contract/field-reader.ts'
import type { ParsedReservation, Reservation, ReservationFormat } from '../../contract/reservation.ts'
import type { ReservationDraft } from '../../contract/reservation-draft.ts'
import { createReservationFormat } from '../../contract/reservation-format.ts'
import { storableSource } from '../../contract/storable-source.ts'
import { directChannelId } from './outgoing-fields.ts'
import { meaningOfStatus } from './reservation-status.ts'

// Bookkeeping of Hostaway's or of people reading there.
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

/** How Hostaway spells reservations. */
export const reservationFormat: ReservationFormat = createReservationFormat({
  names: {
    listingId: 'listingMapId',
    marker: 'customerUserId',
    datesUnspecified: 'isDatesUnspecified',
    units: 'reservationUnit',
    financeFields: 'financeField',
  },
  spellings: [
    ['arrivalDate', 'checkIn'],
    ['departureDate', 'checkOut'],
    ['listingMapId', 'listingId'],
    ['phone', 'guestPhone'],
    ['insertedOn', 'createdAt'],
  ],
  idNames: ['hostawayReservationId'],
  noise,
  isPlaceholder,
  leavesOut,
  parse: (data) => parseReservation(data),
  ofDraft,
})

// Unless asked for everything, Hostaway sends empty lists and nulls for what it left out.
function leavesOut({ isComplete }: Reservation, key: string, value: unknown): boolean {
  // That one is sent for another parameter, which is never asked for.
  if (key === 'remainingBalance' && value === null) return true
  return !isComplete && isPlaceholder(key, value)
}

function isPlaceholder(key: string, value: unknown): boolean {
  if (value === null) {
    return key === 'hostProxyEmail' || key === 'remainingBalance' || key.startsWith('bookingcom')
  }
  return Array.isArray(value) && value.length === 0
}

// What is booked with the host directly has this channel there.
function ofDraft({ listingId, marker, currency, isCancelled, fields }: ReservationDraft): Reservation {
  const status = isCancelled ? 'cancelled' : 'new'
  return {
    id: marker,
    listingId,
    marker,
    status,
    bookingStatus: meaningOfStatus(status),
    datesUnspecified: false,
    arrivalDate: fields.arrivalDate,
    departureDate: fields.departureDate,
    guestName: fields.guestName,
    guestEmail: fields.guestEmail,
    phone: fields.phone,
    numberOfGuests: fields.numberOfGuests,
    adults: fields.adults,
    children: fields.children,
    infants: fields.infants,
    pets: fields.pets,
    totalPrice: fields.totalPrice,
    hostNote: fields.hostNote,
    currency,
    channelName: 'direct',
    channelId: directChannelId,
    confirmationCode: undefined,
    unitCount: 1,
    units: undefined,
    updatedOn: undefined,
    insertedOn: undefined,
    customFieldValues: undefined,
    financeFields: undefined,
    isComplete: false,
    problems: [],
    source: {},
    format: reservationFormat,
  }
}

/**
 * Reads a reservation from a webhook or an answer; null only when it has no usable id. Never throws.
 * `isComplete` says that it was asked for with everything, so that an empty list means "none".
 */
export function parseReservation(
  data: unknown,
  { isComplete = false }: { isComplete?: boolean } = {},
): ParsedReservation {
  const problems: FieldProblem[] = []
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
  const rows = (name: string) => recordsOf(reader.rows(name), isComplete)
  const units = rows('reservationUnit')

  const reservation: Reservation = {
    id,
    listingId: reader.id('listingMapId', 'listingId') ?? undefined,
    status,
    bookingStatus: meaningOfStatus(status),
    arrivalDate: stayDay('arrivalDate', 'checkIn'),
    departureDate: stayDay('departureDate', 'checkOut'),
    datesUnspecified,
    guestName: whole(reader.text('guestName'), isComplete, () => fullName(reader)),
    guestEmail: reader.text('guestEmail'),
    phone: reader.text('phone', 'guestPhone'),
    numberOfGuests: whole(reader.count('numberOfGuests'), isComplete, () => headCount(reader)),
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
    marker: reader.text('customerUserId'),
    unitCount: Math.max(1, units?.length ?? 1),
    units,
    updatedOn: reader.instant('updatedOn'),
    insertedOn: reader.instant('insertedOn', 'createdAt'),
    customFieldValues: rows('customFieldValues'),
    financeFields: rows('financeField'),
    isComplete,
    problems,
    source,
    format: reservationFormat,
  }
  return { reservation, problems }
}

// Some channels leave the whole empty and send its parts. A body that is not complete may only lack the whole.
function whole<Value>(sent: Read<Value>, isComplete: boolean, fromParts: () => Read<Value>): Read<Value> {
  return sent === null || (sent === undefined && isComplete) ? (fromParts() ?? sent) : sent
}

function fullName(reader: FieldReader): Read<string> {
  const parts = [reader.text('guestFirstName'), reader.text('guestLastName')].filter((part) => part != null)
  return parts.length === 0 ? undefined : parts.join(' ')
}

function headCount(reader: FieldReader): Read<number> {
  const adults = reader.count('adults')
  return adults == null ? undefined : adults + (reader.count('children') ?? 0)
}

function recordsOf(rows: Read<unknown[]>, emptyMeansNone: boolean): Record<string, unknown>[] | undefined {
  if (!Array.isArray(rows)) return undefined
  const records = rows.filter(isRecord)
  return records.length > 0 || emptyMeansNone ? records : undefined
}
