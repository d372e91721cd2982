import type { ControlClient } from '../sandbox/control-client.ts'

type Delivery = Awaited<ReturnType<ControlClient['deliveries']>>[number]
type SandboxReservation = Awaited<ReturnType<ControlClient['state']>>['reservations'][number]

export type StoredBooking = {
  id: string
  external_id: string
  status: string
  source_status: string
  check_in: string
  check_out: string
  guest_name: string | null
  guests_total: number | null
  amount_total: string | null
  version_at: Date
}

export type StoredNights = { external_id: string; first_night: string; departure: string }

type Facts = {
  reservation: SandboxReservation
  deliveries: Delivery[]
  /** Deliveries without a body, with the version that was current then. */
  notices: ReadonlyMap<number, string>
  bookings: StoredBooking[]
  nights: StoredNights[]
  events: string[]
  /** Whether a row waits for a person. */
  isVisible: boolean
}

type Version = Record<string, unknown> & { updatedOn: string }

/** What of one reservation is there twice or not at all, each as a sentence. */
export function compareReservation(facts: Facts): {
  wasDelivered: boolean
  doubled: string[]
  lost: string[]
} {
  const { reservation, deliveries, bookings, events, isVisible } = facts
  const name = `reservation ${reservation.id}`
  const doubled: string[] = []
  const lost: string[] = []
  const times = (type: string) => events.filter((event) => event === type).length
  if (bookings.length > 1) doubled.push(`${name} has ${bookings.length} bookings`)
  for (const type of ['booking.created', 'booking.cancelled']) {
    if (times(type) > 1) doubled.push(`${name} has ${times(type)} events ${type}`)
  }

  const accepted = deliveries.filter(({ attempts }) => attempts.some(({ status }) => status === 200))
  const newest = accepted.map((delivery) => versionOf(delivery, facts.notices)).reduce(later, '')
  const [booking] = bookings
  if (booking === undefined) {
    if (accepted.length > 0 && !isVisible) lost.push(`${name} was accepted and is nowhere`)
    return { wasDelivered: accepted.length > 0, doubled, lost }
  }
  if (times('booking.created') === 0) lost.push(`${name} has a booking without an event`)
  const shown = wireTime(booking.version_at)
  if (shown < newest && !isVisible) lost.push(`${name} shows ${shown}, but ${newest} was accepted`)
  const version = [reservation, ...deliveries.map(bodyOf)].find(
    (body): body is Version => body?.updatedOn === shown,
  )
  if (version === undefined) lost.push(`${name} shows ${shown}, a version that never was`)
  else lost.push(...differences(version, booking, facts.nights).map((difference) => `${name}: ${difference}`))
  // A booking that began as a cancelled one has the event of its creation only.
  if (booking.status === 'cancelled' && events.length > 1 && times('booking.cancelled') === 0) {
    lost.push(`${name} was cancelled without an event`)
  }
  return { wasDelivered: accepted.length > 0, doubled, lost }
}

function differences(version: Version, booking: StoredBooking, nights: StoredNights[]): string[] {
  const pairs: [string, unknown, unknown][] = [
    ['status', version.status, booking.source_status],
    ['arrival', version.arrivalDate, booking.check_in],
    ['departure', version.departureDate, booking.check_out],
    ['guest', version.guestName, booking.guest_name],
    ['guests', version.numberOfGuests, booking.guests_total],
    ['amount', Number(version.totalPrice), Number(booking.amount_total)],
  ]
  const holds = booking.status === 'confirmed' || booking.status === 'pending'
  const wanted = holds ? `${booking.check_in} to ${booking.check_out}` : 'none'
  const held = nights.map((row) => `${row.first_night} to ${row.departure}`).join(' and ') || 'none'
  return [...pairs, ['nights held', wanted, held] as const]
    .filter(([, expected, found]) => expected !== found)
    .map(([what, expected, found]) => `${what} should be ${String(expected)} and is ${String(found)}`)
}

function bodyOf(delivery: Delivery): Version | undefined {
  return (JSON.parse(delivery.body) as { data?: Version }).data
}

function versionOf(delivery: Delivery, notices: ReadonlyMap<number, string>): string {
  return bodyOf(delivery)?.updatedOn ?? notices.get(delivery.id) ?? ''
}

// Texts such as 2026-11-20 10:00:00 sort by time.
function later(left: string, right: string): string {
  return left > right ? left : right
}

function wireTime(instant: Date): string {
  return instant.toISOString().slice(0, 19).replace('T', ' ')
}
