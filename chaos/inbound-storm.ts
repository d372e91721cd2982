import { setTimeout as pause } from 'node:timers/promises'
import { type GuestTraffic, startGuests } from './guest-traffic.ts'
import { type InboundLedger, readInboundLedger } from './inbound-ledger.ts'
import { createDraw, type Draw } from './seeded-draw.ts'
import { describeRound, type HostawayFault, planStorm, type Round } from './storm-plan.ts'
import type { Storm } from './storm-record.ts'
import { answersWell, until } from './until.ts'
import type { Victim } from './victim-process.ts'
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
// So many of them come into being during the storm, so that the workers have to ask Hostaway for them.
const lateListings = 20
const workers = 2
const recoversWithinMs = 30_000
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
    const storm: Storm = { system, listingIds, outages: [], recoveriesMs: [], complaints: [] }
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

async function runRound(storm: Storm, round: Round, roundMs: number, draw: Draw): Promise<void> {
  const { system } = storm
  switch (round.kind) {
    case 'kill': {
      if (round.fault !== undefined) await injectFault(system, round.fault)
      const at = round.atShare * roundMs * 0.5
      await pause(at)
      const victims = victimsOf(system, round, draw)
      await Promise.all(victims.map((victim) => victim.kill()))
      await pause(round.awayMs)
      await Promise.all(victims.map((victim) => victim.start()))
      await pause(Math.max(0, roundMs - at - round.awayMs))
      await system.control.clearFaults()
      return
    }
    case 'postgres': {
      await pause(roundMs * 0.3)
      await system.database.stop(round.how)
      const from = Date.now()
      await pause(round.awayMs)
      storm.outages.push({ from, to: Date.now() })
      await system.database.start()
      await noteRecovery(storm)
      await pause(roundMs * 0.3)
      return
    }
    case 'redis': {
      await pause(roundMs * 0.3)
      if (round.how === 'flush') await system.redis?.flush()
      else {
        await system.redis?.stop()
        await pause(round.awayMs)
        await system.redis?.start()
      }
      await noteRecovery(storm)
      await pause(roundMs * 0.3)
      return
    }
    case 'duplicates':
      await system.control.setSwitches({ extraDeliveries: round.copies - 1 })
      await pause(roundMs)
      await system.control.setSwitches({ extraDeliveries: 0 })
  }
}

function victimsOf(system: VictimSystem, round: Extract<Round, { kind: 'kill' }>, draw: Draw): Victim[] {
  switch (round.target) {
    case 'the api':
      return [system.api]
    case 'a worker':
      return [draw.pick(system.workers)]
    case 'all workers':
      return system.workers
    case 'everything':
      return [system.api, ...system.workers]
  }
}

async function injectFault({ control }: VictimSystem, fault: HostawayFault): Promise<void> {
  if (fault === 'hangs') await control.injectFault({ kind: 'hang' })
  else if (fault === 'answers 5xx') await control.injectFault({ kind: 'status', status: 503 })
  else {
    await control.injectFault({ kind: 'malformed', malformation: 'truncated', count: 20 })
    await control.injectFault({ kind: 'drop' })
  }
}

// Nothing is started again here: whoever was connected has to find its own way back.
async function noteRecovery({ system, recoveriesMs, complaints }: Storm): Promise<void> {
  const startedAt = Date.now()
  for (const process of [system.api, ...system.workers]) {
    const isReady = () => answersWell(process.aliveUrl.replace('/healthz', '/readyz'))
    if (!(await until(isReady, { withinMs: recoversWithinMs }))) {
      complaints.push(`${process.name} was not ready ${recoversWithinMs / 1_000} s after the outage`)
    }
  }
  recoveriesMs.push(Date.now() - startedAt)
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
