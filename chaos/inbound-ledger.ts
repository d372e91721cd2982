import type { ControlClient } from '../sandbox/control-client.ts'
import { readAnsweredIds } from './answered-webhooks.ts'
import { compareReservation, type StoredBooking, type StoredNights } from './compare-reservation.ts'
import type { GuestTraffic } from './guest-traffic.ts'
import type { Outage, Storm } from './storm-record.ts'
import { account } from './victim-system.ts'

type Delivery = Awaited<ReturnType<ControlClient['deliveries']>>[number]

/** What became of every webhook and every reservation, by the sandbox's word and by the database's. */
export type InboundLedger = {
  guests: ReturnType<GuestTraffic['counts']>
  deliveries: number
  /** Attempts by their answer: 200; any other; none. */
  accepted: number
  refused: number
  unanswered: number
  /** Rows of webhooks; more than were accepted, where a process died between the commit and the answer. */
  stored: number
  processed: number
  ignored: number
  /** Rows that wait for a person. */
  waiting: number
  deadLetters: number
  replayed: number
  unfinished: number
  reservations: number
  bookings: number
  /** Reservations of which no delivery was ever accepted. */
  notDelivered: number
  doubled: string[]
  lost: string[]
  postgresOutages: number
  /** Longest answer while PostgreSQL was away. */
  slowestRefusalMs: number
  slowestRecoveryMs: number
  /** Anything else that must not happen. */
  complaints: string[]
}

const maxAnswerMs = 5_250

export async function readInboundLedger(
  storm: Storm,
  guests: GuestTraffic,
  replayed: number,
): Promise<InboundLedger> {
  const { system } = storm
  const deliveries = (await system.control.deliveries({ accountId: account.accountId })).filter(
    ({ event }) => event !== null,
  )
  const statuses = deliveries.flatMap(({ attempts }) => attempts.map(({ status }) => status))
  const answered = await readAnsweredIds(system)
  const rows = await system.query<{ id: string; status: string; external_id: string | null }>(
    'select id, status, external_id from webhook_logs',
  )
  const count = (status: string) => rows.filter((row) => row.status === status).length
  const complaints = [...storm.complaints]
  const accepted = statuses.filter((status) => status === 200).length
  if (answered.length !== accepted) {
    complaints.push(`${accepted} deliveries were accepted, but ${answered.length} answers name a row`)
  }
  const during = answersDuring(storm.outages, deliveries)
  for (const { status, durationMs } of during) {
    if (status !== 503) complaints.push(`an answer was ${status ?? 'missing'} while PostgreSQL was away`)
    if (durationMs > maxAnswerMs) complaints.push(`an answer took ${durationMs} ms while PostgreSQL was away`)
  }

  const stored = new Set(rows.map(({ id }) => id))
  const lost = answered
    .filter((id) => !stored.has(id))
    .map((id) => `webhook ${id} was answered 200 and has no row`)
  const compared = await compareReservations(storm, guests, deliveries)
  const [cards] = await system.query<{ rows: number }>(
    "select count(*)::int as rows from webhook_logs where body like '%4111111111111111%'",
  )
  if (cards?.rows !== 0) complaints.push(`${cards?.rows} rows hold the number of a card`)

  return {
    guests: guests.counts(),
    deliveries: deliveries.length,
    accepted,
    refused: statuses.filter((status) => status !== null && status !== 200).length,
    unanswered: statuses.filter((status) => status === null).length,
    stored: rows.length,
    processed: count('processed'),
    ignored: count('ignored'),
    waiting: count('queued'),
    deadLetters: count('failed'),
    replayed,
    unfinished: count('received'),
    reservations: compared.reservations,
    bookings: compared.bookings,
    notDelivered: compared.notDelivered,
    doubled: compared.doubled,
    lost: [...lost, ...compared.lost],
    postgresOutages: storm.outages.length,
    slowestRefusalMs: Math.max(0, ...during.map(({ durationMs }) => durationMs)),
    slowestRecoveryMs: Math.max(0, ...storm.recoveriesMs),
    complaints,
  }
}

/** Whether everything that was accepted came to one end, and nothing happened that must not. */
export function isClean(ledger: InboundLedger): boolean {
  const { lost, doubled, unfinished, complaints } = ledger
  return lost.length === 0 && doubled.length === 0 && unfinished === 0 && complaints.length === 0
}

function answersDuring(outages: Outage[], deliveries: Delivery[]) {
  return deliveries
    .flatMap(({ attempts }) => attempts)
    .filter(({ at, durationMs }) => {
      const begin = Date.parse(at)
      return outages.some(({ from, to }) => begin > from && begin + durationMs < to)
    })
}

async function compareReservations({ system }: Storm, guests: GuestTraffic, deliveries: Delivery[]) {
  const { reservations } = await system.control.state(account.accountId)
  const bookings = Map.groupBy(
    await system.query<StoredBooking>(
      `select id, external_id, status, source_status, check_in::text, check_out::text, guest_name, guests_total,
         amount_total, version_at from bookings`,
    ),
    (booking) => booking.external_id,
  )
  const nights = Map.groupBy(
    await system.query<StoredNights>(
      'select external_id, first_night::text, departure::text from availability_blocks',
    ),
    (row) => row.external_id,
  )
  const events = Map.groupBy(
    await system.query<{ external_id: string; type: string }>(
      `select split_part(subject, ':', 3) as external_id, type from event_outbox where type like 'booking.%'`,
    ),
    (event) => event.external_id,
  )
  const visible = new Set(
    (
      await system.query<{ external_id: string }>(
        `select external_id from hostaway_booking_queue where status in ('pending', 'mapped', 'failed')
         union select w.external_id from webhook_logs w
           join dead_letter_queue d on d.subject = w.id::text and d.status = 'open'`,
      )
    ).map((row) => row.external_id),
  )
  const byReservation = Map.groupBy(deliveries, ({ objectId }) => String(objectId))
  const result = {
    reservations: reservations.length,
    bookings: 0,
    notDelivered: 0,
    doubled: [],
    lost: [],
  } as {
    reservations: number
    bookings: number
    notDelivered: number
    doubled: string[]
    lost: string[]
  }
  for (const reservation of reservations) {
    const externalId = String(reservation.id)
    const compared = compareReservation({
      reservation,
      deliveries: byReservation.get(externalId) ?? [],
      notices: guests.notices,
      bookings: bookings.get(externalId) ?? [],
      nights: nights.get(externalId) ?? [],
      events: (events.get(externalId) ?? []).map(({ type }) => type),
      isVisible: visible.has(externalId),
    })
    result.bookings += bookings.get(externalId)?.length ?? 0
    result.notDelivered += compared.wasDelivered ? 0 : 1
    result.doubled.push(...compared.doubled)
    result.lost.push(...compared.lost)
  }
  return result
}
