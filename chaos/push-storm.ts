import { type EditedListing, type ManagerTraffic, startManagers } from './manager-traffic.ts'
import { type PushLedger, readPushLedger } from './push-ledger.ts'
import { createDraw, type Draw } from './seeded-draw.ts'
import { describeRound, planStorm } from './storm-plan.ts'
import type { Storm } from './storm-record.ts'
import { inject, runRound } from './storm-rounds.ts'
import { until } from './until.ts'
import { account, startVictimSystem, type VictimSystem } from './victim-system.ts'

export type PushStormOptions = {
  rounds: number
  seed: string
  redis: boolean
  /** Length of a round without what its outage adds. */
  roundMs: number
  perSecond: number
  listings: number
  postgresAwayMs: number
  redisAwayMs: number
  logFolder?: string | undefined
  log: (line: string) => void
}

const workers = 2
// The connector's own calls fit; the one who meddles has another address.
const limits = 'custom:40/2s,60/2s'
const faultsPerRound = 4
const settledWithinMs = 180_000

/** Runs the whole storm and compares what Hostaway holds with what was desired. Leaves nothing running. */
export async function runPushStorm(options: PushStormOptions): Promise<PushLedger> {
  const { log } = options
  const system = await startVictimSystem({
    redis: options.redis,
    workers,
    listings: options.listings,
    timeScale: 0.01,
    limits,
    logFolder: options.logFolder,
  })
  try {
    log(
      `${workers} workers, ${options.listings} listings, queue on ${options.redis ? 'Redis' : 'PostgreSQL'}`,
    )
    const listings = await listingsOf(system)
    const storm: Storm = {
      system,
      listingIds: listings.map(({ id }) => id),
      faults: new Map(),
      outages: [],
      recoveriesMs: [],
      complaints: [],
    }
    const traffic = await startManagers(system, {
      listings,
      perSecond: options.perSecond,
      draw: createDraw(`${options.seed} managers`),
    })
    const draw = createDraw(`${options.seed} storm`)
    for (const [index, round] of planStorm(options, draw).entries()) {
      log(`round ${index + 1}: ${describeRound(round)}`)
      await injectFaults(storm, draw)
      await runRound(storm, round, options.roundMs, draw)
    }
    return await settle(storm, traffic, log)
  } finally {
    await system.close()
  }
}

async function listingsOf({ control }: VictimSystem): Promise<EditedListing[]> {
  const state = await control.state(account.accountId)
  return state.listings.map(({ listing }) => ({ id: listing.id, currency: String(listing.currencyCode) }))
}

async function injectFaults(storm: Storm, draw: Draw): Promise<void> {
  // So that calls are under way when their process is killed.
  await inject(storm, {
    kind: 'latency',
    latencyMs: 700,
    path: '/listings/**',
    count: draw.whole(5, 15),
  })
  for (let number = 0; number < faultsPerRound; number += 1) {
    const fault = draw.pick([
      { kind: 'status', status: 500, effect: 'before' },
      { kind: 'status', status: 503, effect: 'after' },
      { kind: 'status', status: 429, retryAfterSeconds: 1 },
      { kind: 'hang', effect: 'before' },
      { kind: 'hang', effect: 'after' },
      { kind: 'drop', effect: 'after' },
      { kind: 'malformed', malformation: 'truncated' },
    ] as const)
    await inject(storm, {
      ...fault,
      method: draw.pick(['PUT', 'PUT', 'GET']),
      path: '/listings/**',
      count: draw.whole(1, 2),
      skip: draw.whole(0, 10),
    })
  }
}

async function settle(
  storm: Storm,
  traffic: ManagerTraffic,
  log: (line: string) => void,
): Promise<PushLedger> {
  const { system, complaints } = storm
  await traffic.stop()
  await system.control.clearFaults()
  log('the storm is over; waiting for the last deliveries and pushes')
  const endedAt = Date.now()
  await system.control
    .whenDelivered(settledWithinMs)
    .catch((error: Error) => complaints.push(`the sandbox did not come to rest: ${error.message}`))
  await whenPushed(storm)
  const convergedMs = Date.now() - endedAt
  const replayed = await replayDeadLetters(storm)
  if (replayed > 0) await whenPushed(storm)
  log('everything is pushed; every listing is read back once')
  await system.query('update listing_pushes set check_due_at = now()')
  await whenPushed(storm)
  for (const process of [system.api, ...system.workers]) complaints.push(...process.deaths())
  return readPushLedger(storm, traffic, { replayed, convergedMs })
}

async function whenPushed({ system, complaints }: Storm): Promise<void> {
  const statement = `select (select count(*) from webhook_logs where status = 'received')
    + (select count(*) from listing_pushes where due_at is not null or lease_until is not null) as open`
  const isSettled = async () => Number((await system.query<{ open: string }>(statement))[0]?.open) === 0
  if (!(await until(isSettled, { withinMs: settledWithinMs, everyMs: 250 }))) {
    complaints.push(`something still waits ${settledWithinMs / 1_000} s after the storm`)
  }
}

async function replayDeadLetters({ system }: Storm): Promise<number> {
  const open = await system.query<{ id: string }>("select id from dead_letter_queue where status = 'open'")
  for (const { id } of open) await system.call('POST', `/v1/dead-letters/${id}/replay`)
  return open.length
}
