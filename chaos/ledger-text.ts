import type { InboundLedger } from './inbound-ledger.ts'

const mostShown = 20

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
  const wrong = [...ledger.doubled, ...ledger.lost, ...ledger.complaints]
  const shown = wrong.slice(0, mostShown)
  const left = wrong.length > shown.length ? [`… and ${wrong.length - shown.length} more`] : []
  return [
    ...lines.map(([name, value]) => `${name.padEnd(20)} ${value}`),
    ...[...shown, ...left].map((sentence) => `- ${sentence}`),
  ].join('\n')
}
