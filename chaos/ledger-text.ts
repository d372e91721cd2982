import type { FuzzLedger } from './fuzz-ledger.ts'
import type { InboundLedger } from './inbound-ledger.ts'
import type { PushLedger } from './push-ledger.ts'

const maxShown = 20

/** The ledger as text for people. */
export function describeInboundLedger(ledger: InboundLedger): string {
  const { guests } = ledger
  const lines: [string, string | number][] = [
    [
      'guests',
      `${guests.booked} booked, ${guests.changed} changed, ${guests.cancelled} cancelled, ${guests.noticed} notices without a body`,
    ],
    ['webhooks', ledger.deliveries],
    ['  accepted (200)', ledger.accepted],
    ['  refused', `${ledger.refused}, delivered again or given up by Hostaway`],
    ['  no answer', `${ledger.unanswered}, delivered again or given up by Hostaway`],
    ['rows', ledger.stored],
    ['  processed', ledger.processed],
    ['  ignored', ledger.ignored],
    ['  wait for a person', ledger.waiting],
    ['  dead letters', `${ledger.deadLetters} (${ledger.replayed} were replayed)`],
    ['  not ended', ledger.unfinished],
    ['reservations', ledger.reservations],
    ['  bookings', ledger.bookings],
    ['  never delivered', ledger.notDelivered],
    [
      'PostgreSQL away',
      `${ledger.postgresOutages} times; slowest answer meanwhile ${ledger.slowestRefusalMs} ms`,
    ],
    ['slowest recovery', `${ledger.slowestRecoveryMs} ms`],
    ['doubled', ledger.doubled.length],
    ['lost', ledger.lost.length],
    ['complaints', ledger.complaints.length],
  ]
  return layOut(lines, [...ledger.doubled, ...ledger.lost, ...ledger.complaints])
}

/** The ledger of pushes as text for people. */
export function describePushLedger(ledger: PushLedger): string {
  const { traffic } = ledger
  const lines: [string, string | number][] = [
    ['edits', `${traffic.accepted} accepted, posted again ${traffic.repeated} times`],
    [
      'meanwhile',
      `${traffic.booked} booked, ${traffic.cancelled} cancelled, ${traffic.meddled} edited at Hostaway`,
    ],
    ['desired', `${ledger.desired} fields of nights`],
    ['  held by a booking', ledger.heldBack],
    ['  stay never announced', ledger.notAnnounced],
    ['calls', `${ledger.writes} writes, ${ledger.reads} reads`],
    ['  met by a fault', ledger.faulted],
    ['  caller gone', ledger.abandoned],
    ['  refused with 429', ledger.overLimit],
    ['  changed nothing', ledger.useless.length],
    ['dead letters', `${ledger.deadLetters} (${ledger.replayed} were replayed)`],
    ['converged after', `${ledger.convergedMs} ms`],
    ['slowest recovery', `${ledger.slowestRecoveryMs} ms`],
    ['lost', ledger.lost.length],
    ['differing', ledger.differing.length],
    ['complaints', ledger.complaints.length],
  ]
  return layOut(lines, [...ledger.lost, ...ledger.differing, ...ledger.useless, ...ledger.complaints])
}

/** The ledger of a fuzz as text for people. */
export function describeFuzzLedger(ledger: FuzzLedger): string {
  const counts = (pairs: [string, number][]) => pairs.map(([name, count]) => `${name} ${count}`).join(', ')
  const lines: [string, string | number][] = [
    ['requests', `${ledger.sent}, of them ${ledger.raw} raw and ${ledger.brokenOff} broken off`],
    ['answers', counts(ledger.answers)],
    ['rows', ledger.stored],
    ['  ended as', counts(ledger.ends)],
    ['dead letters', counts(ledger.deadLetters) || 'none'],
    ['bookings', ledger.bookings],
    ['complaints', ledger.complaints.length],
  ]
  return layOut(lines, ledger.complaints)
}

function layOut(lines: [string, string | number][], wrong: string[]): string {
  const shown = wrong.slice(0, maxShown)
  const left = wrong.length > shown.length ? [`… and ${wrong.length - shown.length} more`] : []
  return [
    ...lines.map(([name, value]) => `${name.padEnd(20)} ${value}`),
    ...[...shown, ...left].map((sentence) => `- ${sentence}`),
  ].join('\n')
}
