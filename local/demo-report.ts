import type { BookingView } from '../src/bookings/booking-view.ts'
import type { Played } from './demo-guests.ts'
import { describeImport, type Imported } from './demo-history.ts'
import { type DemoSystem, hostawayHurries } from './demo-system.ts'
import { describeDuration, timeOfDay } from './demo-words.ts'

export type Summary = {
  seed: string
  durationMs: number
  imported: Imported
  changes: number
  reservations: number
  created: number
  updated: number
  cancelled: number
  waiting: string[]
  edits: { made: number; nights: number; calls: number }
  webhooks: { delivered: number; repeated: number; reordered: number; retried: number }
  latenciesMs: number[]
  outageLatenciesMs: number[]
  differences: string[]
}

const channelWidth = 13
const sentenceWidth = 64
const labelWidth = 24
const maxDifferencesShown = 20

/** What came of a reservation: its booking, a row that waits for a person, or neither in time. */
export type Outcome = { as: 'booking'; booking: BookingView } | { as: 'waiting' } | { as: 'missing' }

export type Seen = Outcome & { afterMs: number }

/** What a visitor can look at while the demo runs. */
export function introduce({ urls, viewerToken }: DemoSystem): string {
  return `
Guests book at a stand-in for Hostaway, which tells the connector by webhook. What takes Hostaway
minutes (trying again after an outage) takes it ${hostawayHurries} times less here.

  API pages        ${urls.api}/docs
  Bookings         curl -H 'Authorization: Bearer ${viewerToken}' '${urls.api}/v1/bookings?sort=-updatedAt'
                   the same way: /v1/booking-queue, /v1/webhooks, /v1/feed
                   each with a name and a commission that this tenant maps (docs/mapping.md)
  Metrics          ${urls.api}/metrics (API), ${urls.workerMetrics} (worker)
  Hostaway         ${urls.control}/accounts/10001/state, ${urls.control}/deliveries
`
}

/** One line for what happened and what came of it. */
export function lineFor(
  { channel, sentence }: Pick<Played, 'channel' | 'sentence'>,
  outcome: string,
): string {
  const start = `${timeOfDay()}  ${channel.padEnd(channelWidth)}`
  return `${start}${sentence.padEnd(sentenceWidth)} → ${outcome}`
}

/** One line about the stage, not the guests. */
export function notice(text: string): string {
  return `${timeOfDay()}  ${''.padEnd(channelWidth, '·')}  ${text}`
}

/** What the connector made of it, in a few words. */
export function describeOutcome(seen: readonly Seen[], { isTimed, changes }: Played): string {
  const afterMs = Math.max(...seen.map((one) => one.afterMs))
  const after = isTimed ? ` after ${describeDuration(afterMs)}` : ''
  const [first] = seen
  if (first === undefined || seen.some(({ as }) => as === 'missing')) {
    return `not there after ${describeDuration(afterMs)}`
  }
  if (first.as !== 'booking') return `waits for a person${after}`
  const { status, externalId, amount } = first.booking
  const state = `${changes === 0 ? 'still ' : ''}${status}${after}`
  if (seen.length > 1) return `${seen.length} × ${state}`
  return `${state}, ${amount.currency} ${amount.total}, reservation ${externalId}`
}

/** The last word: figures, and whether everything converged. */
export function summarise(summary: Summary): string {
  const { webhooks, differences, latenciesMs, outageLatenciesMs, waiting, edits } = summary
  const shown = differences.slice(0, maxDifferencesShown)
  const more = differences.length - shown.length
  const rows: Array<[label: string, value: string]> = [
    ['imported from before', describeImport(summary.imported)],
    ['changes at Hostaway', `${summary.changes}, to ${summary.reservations} reservations`],
    ['bookings created', String(summary.created)],
    ['bookings changed', String(summary.updated)],
    ['bookings cancelled', String(summary.cancelled)],
    ['waiting for a person', [String(waiting.length), ...new Set(waiting)].join(', ')],
    ['webhooks delivered', String(webhooks.delivered)],
    ['  of them duplicates', String(webhooks.repeated)],
    ['  out of order', String(webhooks.reordered)],
    ['  delivered late', String(webhooks.retried)],
    ['webhook to booking', describeLatencies(latenciesMs)],
    ...(outageLatenciesMs.length === 0
      ? []
      : [['  through an outage', describeLatencies(outageLatenciesMs)] satisfies [string, string]]),
    ['edits made in TVL', `${edits.made}, to ${edits.nights} nights`],
    ['  API calls spent', String(edits.calls)],
    ['everything converged', differences.length === 0 ? 'yes' : `no, ${differences.length} differences`],
  ]
  return [
    '',
    `Summary after ${describeDuration(summary.durationMs)}, seed "${summary.seed}"`,
    ...rows.map(([label, value]) => `  ${label.padEnd(labelWidth)}  ${value}`),
    ...shown.map((difference) => `    - ${difference}`),
    ...(more > 0 ? [`    - and ${more} more`] : []),
    '',
  ].join('\n')
}

export function describeLatencies(latenciesMs: readonly number[]): string {
  if (latenciesMs.length === 0) return 'nothing measured'
  const sorted = latenciesMs.toSorted((left, right) => left - right)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return `p50 ${describeDuration(at(0.5))}, p99 ${describeDuration(at(0.99))}`
}
