import { type Static, Type } from 'typebox'
import { daysBetween } from '../platform/days.ts'
import type { BookingPushRow } from '../platform/db/outbound-tables.ts'
import { knownExternalId } from './booking-marker.ts'
import type { BookingWithTenant } from './booking-store.ts'

const nullable = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) =>
  Type.Union([schema, Type.Null()])
const text = () => nullable(Type.String())
const count = () => nullable(Type.Integer())

/** A booking as other services see it. Days are `YYYY-MM-DD` (check-out is the day of departure), instants ISO 8601 in UTC. */
export const BookingView = Type.Object({
  id: Type.String(),
  tenant: Type.String(),
  connectionId: Type.String(),
  channel: Type.String(),
  externalId: nullable(
    Type.String({ description: 'The channel’s id of the reservation; null until the channel has it.' }),
  ),
  origin: Type.Enum(['channel', 'tvl'], {
    description: '`channel`: it came from the channel; `tvl`: it was made here and is pushed to the channel.',
  }),
  listingId: Type.String(),
  unitId: Type.String(),
  status: Type.Enum(['confirmed', 'pending', 'cancelled', 'inquiry']),
  sourceStatus: Type.String({ description: 'The status as the channel names it.' }),
  checkIn: text(),
  checkOut: text(),
  nights: count(),
  units: Type.Integer({ description: 'Units held of a listing that stands for several.' }),
  guest: Type.Object({ name: text(), email: text(), phone: text() }),
  guests: Type.Object({
    total: count(),
    adults: count(),
    children: count(),
    infants: count(),
    pets: count(),
  }),
  amount: Type.Object({
    total: text(),
    minor: nullable(
      Type.Integer({
        maximum: Number.MAX_SAFE_INTEGER,
        minimum: Number.MIN_SAFE_INTEGER,
        description: 'In the smallest unit of the currency; exact, since a larger amount waits for a person.',
      }),
    ),
    currency: text(),
  }),
  channelName: text(),
  confirmationCode: text(),
  fields: Type.Record(Type.String(), Type.Unknown(), {
    description: 'What the mapping of the connection adds, by name; see docs/mapping.md.',
  }),
  mappingVersion: Type.Integer({
    description: 'The version of the connection’s mapping that made this; 0 is the default one.',
  }),
  mappingWarnings: Type.Array(
    Type.Object({ field: Type.String(), code: Type.String(), message: Type.String() }),
    { description: 'What could not be mapped and was not required; it is empty or has its default.' },
  ),
  sourceUpdatedAt: text(),
  createdAt: Type.String(),
  updatedAt: Type.String(),
})
export type BookingView = Static<typeof BookingView>

const Push = Type.Object({
  status: Type.Enum(['pending', 'failed', 'done'], {
    description:
      '`pending`: still to be pushed to the channel; `failed`: dead-lettered until it is changed or replayed.',
  }),
  attempts: Type.Integer(),
  nextAttemptAt: text(),
  lastError: text(),
})

/** A booking with the state of its push; null where nothing was ever to be pushed. */
export const BookingDetail = Type.Object(
  { ...BookingView.properties, push: nullable(Push) },
  { title: 'Booking' },
)
export type BookingDetail = Static<typeof BookingDetail>

export function toBookingDetail(row: BookingWithTenant, push: BookingPushRow | undefined): BookingDetail {
  return { ...toBookingView(row), push: push === undefined ? null : toPushView(push) }
}

function toPushView(push: BookingPushRow): Static<typeof Push> {
  return {
    status: push.failed_kind !== null ? 'failed' : push.due_at !== null ? 'pending' : 'done',
    attempts: push.attempts,
    nextAttemptAt: push.due_at?.toISOString() ?? null,
    lastError: push.last_error,
  }
}

export function toBookingView(row: BookingWithTenant): BookingView {
  return {
    id: row.id,
    tenant: row.tenant_slug,
    connectionId: row.connection_id,
    channel: row.channel,
    externalId: knownExternalId(row.external_id),
    origin: row.origin,
    listingId: row.listing_id,
    unitId: row.unit_id,
    status: row.status,
    sourceStatus: row.source_status,
    checkIn: row.check_in,
    checkOut: row.check_out,
    nights: nightsBetween(row.check_in, row.check_out),
    units: row.unit_count,
    guest: { name: row.guest_name, email: row.guest_email, phone: row.guest_phone },
    guests: {
      total: row.guests_total,
      adults: row.guests_adults,
      children: row.guests_children,
      infants: row.guests_infants,
      pets: row.guests_pets,
    },
    amount: {
      total: row.amount_total,
      minor: row.amount_minor === null ? null : Number(row.amount_minor),
      currency: row.currency,
    },
    channelName: row.channel_name,
    confirmationCode: row.confirmation_code,
    fields: row.fields,
    mappingVersion: row.mapping_version,
    mappingWarnings: row.mapping_warnings,
    sourceUpdatedAt: row.source_updated_at?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }
}

function nightsBetween(checkIn: string | null, checkOut: string | null): number | null {
  return checkIn === null || checkOut === null ? null : daysBetween(checkIn, checkOut)
}
