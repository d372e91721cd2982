import { createFieldReader, idText, isRecord } from '../../channels/contract/field-reader.ts'
import type { Reservation } from '../../channels/contract/reservation.ts'
import { wasSent } from '../../channels/contract/reservation-format.ts'
import type { MappedListing } from '../booking-draft.ts'
import { customFieldName, isCharged, stayDayKeys } from '../reservation-rows.ts'
import type { Meter } from './calculation.ts'

const maxValues = 20_000

/**
 * What a calculation sees: a copy without prototypes, so that nothing of the reservation can be reached or changed
 * from it, and without nulls, so that `??` does what it says. Fields that are known are spelled and typed as the
 * channel documents them, whatever this body did. Undefined where the reservation is larger than a calculation may look at.
 */
export function calculationInput(
  reservation: Reservation,
  listing: MappedListing | undefined,
  meter: Meter,
): object | undefined {
  let copied = 0
  function give<Given extends object>(value: Given, size: number): Given {
    meter.given.add(value)
    meter.sizes.set(value, size)
    return value
  }
  function copy(value: unknown): unknown {
    copied += 1
    if (copied > maxValues) return null
    const before = copied
    if (Array.isArray(value)) return giveSince(before, value.map(copy))
    return isRecord(value) ? giveSince(before, copyRecord(value)) : value
  }
  const giveSince = <Given extends object>(before: number, value: Given) => give(value, copied - before + 1)
  function copyRecord(record: Record<string, unknown>): Record<string, unknown> {
    const result = bare()
    for (const key of Object.keys(record)) {
      // JSONata recognises its functions by properties with this prefix.
      if (record[key] !== null && !key.startsWith('_jsonata_')) result[key] = copy(record[key])
    }
    return result
  }
  const input = bare()
  input.reservation = copy({ ...bodyOf(reservation), ...knownFields(reservation) })
  input.financeLines = copy((reservation.financeFields ?? []).filter(isCharged))
  input.finance = copy(totalsByName(reservation.financeFields ?? []))
  input.customFields = copy(customFieldsByName(reservation.customFieldValues ?? []))
  input.property = copy(propertyOf(listing))
  return copied > maxValues ? undefined : give(input, copied)
}

// A draft of TVL's has no body; it is seen as the body that the channel is going to make of it.
function bodyOf(reservation: Reservation): Record<string, unknown> {
  if (wasSent(reservation)) return reservation.source
  const { id, channelId, marker, hostNote, format } = reservation
  const { names } = format
  return {
    [names.id]: id,
    [names.channelId]: channelId,
    [names.marker]: marker,
    [names.hostNote]: hostNote,
  }
}

function knownFields(reservation: Reservation): Record<string, unknown> {
  const { totalPrice, datesUnspecified, format } = reservation
  const known = {
    listingId: reservation.listingId,
    status: reservation.status,
    arrivalDate: reservation.arrivalDate,
    departureDate: reservation.departureDate,
    guestName: reservation.guestName,
    guestEmail: reservation.guestEmail,
    phone: reservation.phone,
    numberOfGuests: reservation.numberOfGuests,
    adults: reservation.adults,
    children: reservation.children,
    infants: reservation.infants,
    pets: reservation.pets,
    totalPrice: totalPrice == null ? undefined : Number(totalPrice),
    currency: reservation.currency,
    channelName: reservation.channelName,
    confirmationCode: reservation.confirmationCode,
  }
  // Without dates both days may be anything.
  const noDays = datesUnspecified ? Object.fromEntries(stayDayKeys(format).map((key) => [key, null])) : {}
  const named = Object.entries(known).flatMap(([part, value]) =>
    value == null ? [] : [[format.names[part as keyof typeof known], value]],
  )
  return { ...Object.fromEntries(named), ...noDays }
}

function totalsByName(lines: Record<string, unknown>[]): Record<string, unknown> {
  const totals = bare()
  for (const line of lines) {
    const { name } = line
    if (typeof name !== 'string' || !isCharged(line)) continue
    const total = createFieldReader(line, []).amount('total')
    if (total != null) totals[name] = Number(totals[name] ?? 0) + Number(total)
  }
  return totals
}

function customFieldsByName(values: Record<string, unknown>[]): Record<string, unknown> {
  const fields = bare()
  for (const row of values) {
    if (isRecord(row.value) || Array.isArray(row.value)) continue
    const name = customFieldName(row)
    if (name !== undefined) fields[name] = row.value
    const id = idText(row.customFieldId)
    if (id !== undefined) fields[id] = row.value
  }
  return fields
}

// What is not known is left out, so that `property.commission_rate ?? 0.15` does what it says.
function propertyOf(listing: MappedListing | undefined): Record<string, unknown> {
  const property = bare()
  const rate = listing?.commissionRate ?? null
  if (rate !== null) property.commission_rate = Number(rate)
  for (const [name, value] of [
    ['listing_id', listing?.listingId],
    ['unit_id', listing?.unitId],
    ['name', listing?.name],
    ['currency', listing?.currency],
  ] as const) {
    if (value != null) property[name] = value
  }
  return property
}

function bare(): Record<string, unknown> {
  return Object.create(null) as Record<string, unknown>
}
