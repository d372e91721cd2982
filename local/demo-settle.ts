import { setTimeout as pause } from 'node:timers/promises'
import type { Delivery } from '../sandbox/webhook-records.ts'
import { findEditDifferences, rangeOf } from './demo-edits.ts'
import type { Imported } from './demo-history.ts'
import type { Observations } from './demo-play.ts'
import { notice, type Summary } from './demo-report.ts'
import type { DemoSystem } from './demo-system.ts'
import { findDifferences } from './demo-verdict.ts'

const pollMs = 50
const tellEveryMs = 2_500
// What a person who pressed Ctrl-C waits for at most.
const settlesAfterStopWithinMs = 2_500

/**
 * Waits until nothing is under way any more, at most `withinMs` and hardly any longer once it is to stop, saying what it
 * waits for; then compares the connector with Hostaway.
 */
export async function settle(
  system: DemoSystem,
  observed: Observations,
  context: {
    imported: Imported
    seed: string
    startedAt: number
    withinMs: number
    signal: AbortSignal
    print: (line: string) => void
  },
): Promise<Summary> {
  const { control, connector, accountId } = system
  await waitUntilSettled(system, context)

  const desired = observed.manager.desired()
  const [
    { reservations, listings },
    pushes,
    deliveries,
    bookings,
    waiting,
    events,
    deadLetters,
    unfinishedWebhooks,
  ] = await Promise.all([
    control.state(accountId, rangeOf(desired)),
    control.calls({ accountId, method: 'PUT', path: '/listings/**' }),
    control.deliveries({ accountId }),
    connector.bookings(),
    connector.waiting(),
    connector.events(),
    connector.openDeadLetters(),
    connector.unfinishedWebhooks(),
  ])
  const { announcedAs, changes, reordered, latenciesMs, outageLatenciesMs } = observed
  const announced = deliveries.filter(({ event }) => event !== null)
  const delivered = announced.filter(({ state }) => state === 'delivered')
  const count = (type: string) => events.filter((event) => event.type === type).length
  return {
    seed: context.seed,
    durationMs: Date.now() - context.startedAt,
    changes,
    imported: context.imported,
    reservations: reservations.length - context.imported.reservations,
    created: count('booking.created') - context.imported.bookings,
    updated: count('booking.updated'),
    cancelled: count('booking.cancelled'),
    waiting: waiting.flatMap(({ problems }) => problems.map(({ message }) => message).join('; ')),
    edits: {
      made: observed.manager.edits(),
      nights: new Set(desired.map(({ listingId, day }) => `${listingId} ${day}`)).size,
      calls: pushes.length,
    },
    webhooks: {
      delivered: delivered.length,
      repeated: delivered.filter(({ repeats }) => repeats !== null).length,
      reordered,
      retried: delivered.filter(({ attempts }) => attempts.length > 1).length,
    },
    latenciesMs,
    outageLatenciesMs,
    differences: [
      ...findDifferences({ reservations, announcedAs, bookings, waiting, deadLetters, unfinishedWebhooks }),
      ...undelivered(announced),
      ...findEditDifferences(desired, listings),
    ],
  }
}

async function waitUntilSettled(
  { control, connector, connectionId }: DemoSystem,
  { withinMs, signal, print }: { withinMs: number; signal: AbortSignal; print: (line: string) => void },
): Promise<void> {
  const begun = Date.now()
  let stoppedAt = signal.aborted ? begun : undefined
  let toldAt = begun
  while (Date.now() < begun + withinMs) {
    const [deliveries, webhooks, nights] = [
      await control.pendingDeliveries(),
      await connector.unfinishedWebhooks(),
      await connector.pendingDays(connectionId),
    ]
    if (deliveries + webhooks + nights === 0) return
    if (signal.aborted) stoppedAt ??= Date.now()
    if (stoppedAt !== undefined && Date.now() > stoppedAt + settlesAfterStopWithinMs) return
    if (Date.now() > toldAt + tellEveryMs) {
      toldAt = Date.now()
      print(
        notice(
          `Waiting for ${deliveries} deliveries, ${webhooks} webhooks and ${nights} nights; at most ${Math.ceil((begun + withinMs - toldAt) / 1_000)} s more.`,
        ),
      )
    }
    await pause(pollMs)
  }
}

function undelivered(announced: Delivery[]): string[] {
  return announced
    .filter(({ state }) => state !== 'delivered')
    .map(({ objectId, state }) => `a webhook about reservation ${objectId} was not delivered (${state})`)
}
