import { type GuestTraffic, startGuests } from './guest-traffic.ts'
import { type InboundLedger, readInboundLedger } from './inbound-ledger.ts'
import { createDraw } from './seeded-draw.ts'
import { describeRound, planStorm } from './storm-plan.ts'
import type { Storm } from './storm-record.ts'
import { runRound } from './storm-rounds.ts'
import { until } from './until.ts'
import { account, startVictimSystem, type VictimSystem } from './victim-system.ts'

export type InboundStormOptions = {
  rounds: number
  seed: string
  redis: boolean
  /** Length of a round without what its outage adds. */
  roundMs: number
  perSecond: number
  postgresAwayMs: number
  redisAwayMs: number
  /** Multiplies Hostaway's pauses before it delivers again (1, 5 and 25 minutes). */
  timeScale: number
  logFolder?: string | undefined
  log: (line: string) => void
}

const listings = 200
// This many appear during the storm, so that the workers have to fetch them from Hostaway.
const lateListings = 20
const workers = 2
const deliveredWithinMs = 60_000
// A job that was lost with the queue is offered again after a minute.
const endsWithinMs = 120_000

/** Runs the whole storm and compares what is left with what the sandbox knows. Leaves nothing running. */
export async function runInboundStorm(options: InboundStormOptions): Promise<InboundLedger> {
  const { log } = options
  const system = await startVictimSystem({
    redis: options.redis,
    workers,
    listings: listings - lateListings,
    timeScale: options.timeScale,
    logFolder: options.logFolder,
  })
  try {
    log(`${workers} workers, ${listings} listings, queue on ${options.redis ? 'Redis' : 'PostgreSQL'}`)
    const listingIds = await listingIdsOf(system)
    const guests = startGuests(system.control, {
      accountId: account.accountId,
      listingIds: () => listingIds,
      perSecond: options.perSecond,
      draw: createDraw(`${options.seed} guests`),
    })
    const storm: Storm = {
      system,
      listingIds,
      faults: new Map(),
      outages: [],
      recoveriesMs: [],
      complaints: [],
    }
    const draw = createDraw(`${options.seed} storm`)
    const rounds = planStorm(options, draw)
    for (const [index, round] of rounds.entries()) {
      log(`round ${index + 1}: ${describeRound(round)}`)
      await addLateListings(storm, Math.ceil(lateListings / rounds.length))
      await runRound(storm, round, options.roundMs, draw)
    }
    return await settle(storm, guests, log)
  } finally {
    await system.close()
  }
}

async function listingIdsOf({ control }: VictimSystem): Promise<number[]> {
  const state = await control.state(account.accountId)
  return state.listings.map(({ listing }) => listing.id)
}

async function addLateListings(storm: Storm, count: number): Promise<void> {
  for (let index = 0; index < count && storm.listingIds.length < listings; index += 1) {
    const name = `House ${storm.listingIds.length + 1}`
    const { listing } = await storm.system.control.addListing(account.accountId, { name })
    storm.listingIds.push(listing.id)
  }
}

async function settle(
  storm: Storm,
  guests: GuestTraffic,
  log: (line: string) => void,
): Promise<InboundLedger> {
  const { system, complaints } = storm
  await guests.stop()
  await system.control.clearFaults()
  log('the storm is over; waiting for the last deliveries')
  await system.control
    .whenDelivered(deliveredWithinMs)
    .catch((error: Error) => complaints.push(`the sandbox did not come to rest: ${error.message}`))
  log('everything is delivered or given up; waiting for the workers')
  await waitForEnds(storm)
  const replayed = await replayDeadLetters(storm)
  if (replayed > 0) {
    log(`${replayed} dead letters are replayed`)
    await waitForEnds(storm)
  }
  for (const process of [system.api, ...system.workers]) complaints.push(...process.deaths())
  return readInboundLedger(storm, guests, replayed)
}

async function waitForEnds({ system }: Storm): Promise<void> {
  const statement = "select count(*)::int as open from webhook_logs where status = 'received'"
  await until(async () => (await system.query<{ open: number }>(statement))[0]?.open === 0, {
    withinMs: endsWithinMs,
    everyMs: 250,
  })
}

async function replayDeadLetters({ system }: Storm): Promise<number> {
  const open = await system.query<{ id: string }>("select id from dead_letter_queue where status = 'open'")
  for (const { id } of open) await system.call('POST', `/v1/dead-letters/${id}/replay`)
  return open.length
}
