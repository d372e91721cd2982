import type { ControlClient } from '../sandbox/control-client.ts'
import {
  type Desired,
  type Field,
  firstDay,
  inDays,
  lastDay,
  type ManagerTraffic,
} from './manager-traffic.ts'
import type { Storm } from './storm-record.ts'
import { type FaultEffects, findUselessWrite } from './useless-writes.ts'
import { account } from './victim-system.ts'

type Stay = Awaited<ReturnType<ControlClient['state']>>['reservations'][number]
type Night = Awaited<ReturnType<ControlClient['state']>>['listings'][number]['calendar'][number]

/** What became of every desired, by the database's word and by the sandbox's. */
export type PushLedger = {
  traffic: ReturnType<ManagerTraffic['counts']>
  /** Fields of nights that were desired, and how many of these a booking holds. */
  desired: number
  heldBack: number
  /** Nights of stays whose webhooks Hostaway gave up; only reconciliation brings these. */
  notAnnounced: number
  /** Calls that reached the sandbox. */
  writes: number
  reads: number
  /** Calls that a fault met, and those whose caller was killed meanwhile. */
  faulted: number
  abandoned: number
  /** Calls that Hostaway refused because a window was full. */
  overLimit: number
  useless: string[]
  deadLetters: number
  replayed: number
  /** From the end of the storm until nothing was pending. */
  convergedMs: number
  slowestRecoveryMs: number
  /** Desired that were taken and are not stored, or stored otherwise. */
  lost: string[]
  /** Desired that Hostaway does not hold although nothing stands in the way. */
  differing: string[]
  complaints: string[]
}

const columns = {
  available: 'desired_units',
  price: 'desired_price',
  minStay: 'desired_min_stay',
  closedOnArrival: 'desired_closed_on_arrival',
} as const satisfies Record<Field, string>

export async function readPushLedger(
  storm: Storm,
  traffic: ManagerTraffic,
  seen: { replayed: number; convergedMs: number },
): Promise<PushLedger> {
  const { system } = storm
  const desired = [...traffic.desired.values()]
  const calls = await system.control.calls({ accountId: account.accountId, path: '/listings/**' })
  const own = calls.filter(({ ip }) => ip === '127.0.0.1')
  const range = { from: inDays(firstDay), to: inDays(lastDay) }
  const { listings, reservations } = await system.control.state(account.accountId, range)
  const useless = findUselessWrite(inOrderOfEffect(calls, storm), reservations, effectsOf(storm))
  const nights = new Map(
    listings.flatMap(({ listing, calendar }) =>
      calendar.map((night) => [`${listing.id} ${night.date}`, night] as const),
    ),
  )
  const nightOf = ({ listing, day }: Desired) => nights.get(`${listing} ${day}`)
  const isHeld = (desired: Desired) => desired.field === 'available' && isBooked(nightOf(desired))
  const unannounced = await staysNotAnnounced(storm, reservations)
  const isUnannounced = ({ listing, day, field }: Desired) =>
    field === 'available' &&
    unannounced.some(
      ({ listingMapId, arrivalDate, departureDate }) =>
        listingMapId === listing && arrivalDate <= day && day < departureDate,
    )
  const [letters] = await system.query<{ count: number }>(
    "select count(*)::int as count from dead_letter_queue where status = 'open'",
  )
  return {
    traffic: traffic.counts(),
    desired: desired.length,
    heldBack: desired.filter(isHeld).length,
    notAnnounced: desired.filter(isUnannounced).length,
    writes: own.filter(({ method }) => method === 'PUT').length,
    reads: own.filter(({ method }) => method === 'GET').length,
    faulted: own.filter(({ faultIds }) => faultIds.length > 0).length,
    abandoned: own.filter(({ outcome }) => outcome === 'abandoned').length,
    overLimit: own.filter(({ limitedBy }) => limitedBy !== null).length,
    useless: useless === undefined ? [] : [`${useless.path} ${JSON.stringify(useless.body)} changed nothing`],
    deadLetters: letters?.count ?? 0,
    replayed: seen.replayed,
    convergedMs: seen.convergedMs,
    slowestRecoveryMs: Math.max(0, ...storm.recoveriesMs),
    lost: await findLost(storm, desired),
    differing: desired
      .filter((desired) => !isHeld(desired) && !isUnannounced(desired))
      .filter((desired) => heldValue(nightOf(desired), desired.field) !== Number(desired.value))
      .map((desired) => `${describe(desired)}, Hostaway holds ${heldValue(nightOf(desired), desired.field)}`),
    complaints: [...storm.complaints, ...traffic.complaints],
  }
}

/** Whether Hostaway holds every desired, by calls that each changed something and none of which was one too many. */
export function isConverged(ledger: PushLedger): boolean {
  const { lost, differing, useless, overLimit, deadLetters, complaints } = ledger
  const wrong = [...lost, ...differing, ...useless, ...complaints]
  return wrong.length === 0 && overLimit === 0 && deadLetters === 0
}

type Call = Awaited<ReturnType<ControlClient['calls']>>[number]

// A write that was held up is overtaken by those that arrived meanwhile.
function inOrderOfEffect(calls: Call[], { faults }: Storm): Call[] {
  const heldUpMs = ({ faultIds }: Call) =>
    faultIds.reduce((sum, id) => sum + (faults.get(id)?.latencyMs ?? 0), 0)
  const at = (call: Call) => call.arrivedAtMs + heldUpMs(call)
  return calls.filter(({ method }) => method === 'PUT').toSorted((left, right) => at(left) - at(right))
}

function effectsOf({ faults }: Storm): FaultEffects {
  return new Map(
    [...faults].map(([id, { kind, effect }]) => [id, kind === 'latency' ? 'after' : effect] as const),
  )
}

async function findLost({ system }: Storm, desired: Desired[]): Promise<string[]> {
  const rows = await system.query<{ listing_id: string; day: string } & Record<string, unknown>>(
    `select listing_id, day::text, desired_units, desired_price, desired_min_stay, desired_closed_on_arrival
       from calendar_days`,
  )
  const stored = new Map(rows.map((row) => [`${row.listing_id} ${row.day}`, row]))
  return desired
    .filter((desired) => {
      const value = stored.get(`${desired.listing} ${desired.day}`)?.[columns[desired.field]]
      return value == null || Number(value) !== Number(desired.value)
    })
    .map((desired) => `${describe(desired)}, and it is stored otherwise`)
}

async function staysNotAnnounced({ system }: Storm, reservations: Stay[]): Promise<Stay[]> {
  const deliveries = await system.control.deliveries({ accountId: account.accountId })
  const given = new Set(
    deliveries.filter(({ state }) => state !== 'delivered').map(({ objectId }) => objectId),
  )
  return reservations.filter(({ id }) => given.has(id))
}

function isBooked(night: Night | undefined): boolean {
  return night !== undefined && night.status !== 'available' && night.status !== 'blocked'
}

function heldValue(night: Night | undefined, field: Field): number {
  switch (field) {
    case 'available':
      return Number(night?.isAvailable)
    case 'price':
      return Number(night?.price)
    case 'minStay':
      return Number(night?.minimumStay)
    case 'closedOnArrival':
      return Number(night?.closedOnArrival)
  }
}

function describe({ listing, day, field, value }: Desired): string {
  return `${field} ${value} was desired of listing ${listing} on ${day}`
}
