import { setTimeout as pause } from 'node:timers/promises'
import type { Reservation } from '../sandbox/reservation-factory.ts'
import { SeededRandom } from '../sandbox/seeded-random.ts'
import { createManager, type Manager } from './demo-edits.ts'
import { type Act, createGuests, type Guests, type Played } from './demo-guests.ts'
import {
  describeLatencies,
  describeOutcome,
  lineFor,
  notice,
  type Outcome,
  type Seen,
} from './demo-report.ts'
import type { DemoSystem, Restartable } from './demo-system.ts'

export type PlayOptions = {
  seed: string
  /** Ends by itself after so many changes; without it, the guests go on until the signal. */
  changes: number | undefined
  signal: AbortSignal
  print: (line: string) => void
}

/** What was seen while playing. */
export type Observations = {
  changes: number
  reordered: number
  latenciesMs: number[]
  outageLatenciesMs: number[]
  announcedAs: Guests['announcedAs']
  manager: Pick<Manager, 'edits' | 'desired'>
}

type Outage = 'workerOutage' | 'apiOutage'

// Acts that every viewer should see, at fixed places of each round; in between, guests act at random.
const round = 200
const setPieces: Record<number, Act | Outage | undefined> = {
  2: 'bookInYen',
  4: 'bookInDinars',
  6: 'bookThreeUnits',
  9: 'sayUnknownStatus',
  11: 'repeat',
  13: 'reorder',
  16: 'workerOutage',
  60: 'apiOutage',
}
const usualActs: Act[] = [
  ...Array<Act>(9).fill('book'),
  ...Array<Act>(3).fill('move'),
  ...Array<Act>(2).fill('bringOneMore'),
  ...Array<Act>(3).fill('cancel'),
  'comeBack',
  'request',
  'accept',
  'ask',
  'repeat',
  'reorder',
]
const editEvery = 5
const guestsDuringOutage = 3
const liveIntervalMs = 1_000
const statusEvery = 25
const pollMs = 8
// In the demo, Hostaway's last attempt is a minute after the first.
const maxWaitMs = 90_000
const maxWaitAfterStopMs = 5_000

/** Plays guests one after another and waits for each to become readable in the connector. Resolves when the number of changes is reached or the signal comes. */
export async function play(system: DemoSystem, options: PlayOptions): Promise<Observations> {
  const { signal, print } = options
  const { control, accountId } = system
  const random = new SeededRandom(options.seed)
  const { listings } = await control.state(accountId)
  const guests = createGuests({
    control,
    accountId,
    random,
    listings: listings.map(({ listing, units }) => ({ listing, units: Math.max(1, units.length) })),
  })
  const manager = createManager({
    connector: system.connector,
    tenant: system.tenant,
    listings,
    // A separate seed, so that edits do not change what the guests do.
    random: new SeededRandom(`${options.seed} manager`),
  })
  const observed: Observations = {
    changes: 0,
    reordered: 0,
    latenciesMs: [],
    outageLatenciesMs: [],
    announcedAs: guests.announcedAs,
    manager,
  }

  const arrivals: Promise<void>[] = []

  async function playOne(act: Act): Promise<Played> {
    const played = await guests.play(act)
    observed.changes += played.changes
    if (act === 'reorder') observed.reordered += played.changes
    return played
  }

  async function playAct(act: Act): Promise<void> {
    const played = await playOne(act)
    const seen = await watch(system, guests, played, signal)
    if (played.isTimed) observed.latenciesMs.push(...seen.map(({ afterMs }) => afterMs))
    print(lineFor(played, describeOutcome(seen, played)))
  }

  async function playOutage(name: string, part: Restartable, meanwhile: string): Promise<void> {
    await part.kill()
    print(notice(`${name} is killed with SIGKILL; guests go on booking.`))
    const during: Played[] = []
    for (let guest = 0; guest < guestsDuringOutage; guest += 1) {
      const played = await playOne('book')
      during.push(played)
      print(lineFor(played, meanwhile))
    }
    await part.start()
    print(notice(`${name} is back.`))
    // The guests go on meanwhile: Hostaway takes its time to try again.
    for (const played of during) {
      const arrival = reportArrival(played)
      arrival.catch(() => {})
      arrivals.push(arrival)
    }
  }

  async function reportArrival(played: Played): Promise<void> {
    const seen = await watch(system, guests, played, signal)
    observed.outageLatenciesMs.push(...seen.map(({ afterMs }) => afterMs))
    print(lineFor({ ...played, sentence: `${nameOf(played)} was not lost` }, describeOutcome(seen, played)))
  }

  for (let turn = 1; !signal.aborted && observed.changes < (options.changes ?? Infinity); turn += 1) {
    const act = setPieces[turn % round] ?? random.pick(usualActs)
    if (act === 'workerOutage') await playOutage('The worker', system.worker, 'kept by the API, no worker')
    else if (act === 'apiOutage') await playOutage('The API', system.api, 'Hostaway cannot deliver')
    else await playAct(act)
    if (turn % editEvery === 0) print(lineFor(await manager.edit(), 'desired; pushed together'))
    if (turn % statusEvery === 0 && options.changes === undefined) {
      print(
        notice(`${observed.changes} changes; webhook to booking: ${describeLatencies(observed.latenciesMs)}`),
      )
    }
    if (options.changes === undefined) {
      await pause(liveIntervalMs, undefined, { signal }).catch(() => undefined)
    }
  }
  await Promise.all(arrivals)
  return observed
}

/** Waits until every version that was played can be read, as a booking or as a row that waits for a person. */
async function watch(
  system: DemoSystem,
  guests: Guests,
  { reservations }: Played,
  signal: AbortSignal,
): Promise<Seen[]> {
  const pending = reservations.map(async (reservation) => {
    const announcedAt = await lastAnnouncedAt(system, reservation)
    const outcome = await waitFor(system, guests, reservation, signal)
    return { ...outcome, afterMs: Math.max(0, Date.now() - announcedAt) }
  })
  return Promise.all(pending)
}

async function waitFor(
  system: DemoSystem,
  guests: Guests,
  reservation: Reservation,
  signal: AbortSignal,
): Promise<Outcome> {
  const version = Date.parse(`${reservation.updatedOn.replace(' ', 'T')}Z`)
  const deadline = Date.now() + maxWaitMs
  let stopDeadline = Number.POSITIVE_INFINITY
  while (Date.now() < Math.min(deadline, stopDeadline)) {
    if (signal.aborted) stopDeadline = Math.min(stopDeadline, Date.now() + maxWaitAfterStopMs)
    if (guests.announcedAs.has(reservation.id)) {
      const waiting = await system.connector.waiting()
      if (waiting.some(({ externalId }) => externalId === String(reservation.id))) return { as: 'waiting' }
    } else {
      const booking = await system.connector.booking(reservation.id)
      if (booking?.sourceUpdatedAt && Date.parse(booking.sourceUpdatedAt) >= version) {
        return { as: 'booking', booking }
      }
    }
    await pause(pollMs)
  }
  return { as: 'missing' }
}

/** When Hostaway first sent the newest version. */
async function lastAnnouncedAt({ control, accountId }: DemoSystem, { id }: Reservation): Promise<number> {
  const deliveries = await control.deliveries({ accountId, objectId: id })
  const last = deliveries.findLast(({ repeats }) => repeats === null)
  return last === undefined ? Date.now() : Date.parse(last.createdAt)
}

function nameOf({ reservations }: Played): string {
  return String(reservations[0]?.guestName)
}
