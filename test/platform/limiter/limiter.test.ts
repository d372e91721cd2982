import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { sql } from 'kysely'
import { openDatabase } from '../../../src/platform/db/database.ts'
import type { Urgency } from '../../../src/platform/limiter/call-admission.ts'
import { type Acquisition, createLimiter, type Limiter } from '../../../src/platform/limiter/limiter.ts'
import {
  type CallLimit,
  callsPerMinute,
  parseRateLimitProfile,
} from '../../../src/platform/limiter/rate-limit-profile.ts'
import { createMetrics } from '../../../src/platform/telemetry/metrics.ts'
import { eventually } from '../../support/eventually.ts'
import { answering, startScriptedHostaway } from '../../support/scripted-hostaway.ts'
import { createTestDatabase } from '../../support/test-database.ts'

const guardMs = 300
const second = 1_000

type Settings = { ip?: CallLimit; account?: CallLimit; perAccount?: CallLimit; egressId?: string }

const plenty: CallLimit = { limit: 1_000, milliseconds: 60 * second }

async function openLimiters(context: TestContext) {
  const url = await createTestDatabase(context)
  const open = () => {
    const db = openDatabase({ url, maxConnections: 3, applicationName: 'test' })
    context.after(() => db.destroy())
    return db
  }
  const db = open()
  const metrics = createMetrics()
  const limiterOf = (settings: Settings, ownDb = db): Limiter => {
    const { ip = plenty, account = plenty, perAccount, egressId = 'egress' } = settings
    const extra = perAccount === undefined ? {} : { perAccount }
    return createLimiter({ db: ownDb, profile: { ip, account }, egressId, metrics, ...extra })
  }
  return { url, db, open, metrics, limiterOf }
}

async function grants(limiter: Limiter, times: number, urgency: Urgency = 'urgent', accountId = '1') {
  let granted = 0
  let refusal: Exclude<Acquisition, { granted: true }> | undefined
  for (let index = 0; index < times; index += 1) {
    const acquisition = await limiter.acquire({ accountId, urgency })
    if (acquisition.granted) granted += 1
    else refusal ??= acquisition
  }
  return { granted, waitMs: (refusal?.retryAt.getTime() ?? Number.NaN) - Date.now() }
}

test('it grants what a window allows, then says when the next place opens', async (context) => {
  const { limiterOf } = await openLimiters(context)
  const limiter = limiterOf({ ip: { limit: 3, milliseconds: 20 * second } })
  const { granted, waitMs } = await grants(limiter, 5)
  assert.equal(granted, 3)
  assert.ok(waitMs > 18 * second && waitMs <= 20 * second + guardMs, `${waitMs} ms`)
})

test('a place opens again when its window and the guard are over', async (context) => {
  const { limiterOf } = await openLimiters(context)
  const limiter = limiterOf({ account: { limit: 2, milliseconds: 200 } })
  const begun = performance.now()
  assert.equal((await grants(limiter, 2)).granted, 2)
  const refused = await limiter.acquire({ accountId: '1', urgency: 'urgent' })
  assert.ok(!refused.granted)
  await eventually(async () => assert.equal((await grants(limiter, 1)).granted, 1), { intervalMs: 5 })
  assert.ok(performance.now() - begun >= 200 + guardMs - 2)
  assert.ok(Date.now() >= refused.retryAt.getTime() - 2)
})

test('normal calls may use 90 percent of a window, bulk calls 60 percent, urgent ones all of it', async (context) => {
  const { limiterOf } = await openLimiters(context)
  for (const which of ['ip', 'account'] as const) {
    const limiter = limiterOf({ [which]: { limit: 15, milliseconds: 60 * second }, egressId: which })
    const used = (urgency: Urgency) => grants(limiter, 16, urgency, which).then(({ granted }) => granted)
    assert.equal(await used('bulk'), 9)
    assert.equal(await used('normal'), 4, 'thirteen with the nine before')
    assert.equal(await used('urgent'), 2)
    assert.equal(await used('urgent'), 0)
  }
})

test('every urgency may use at least one place', async (context) => {
  const { limiterOf } = await openLimiters(context)
  for (const urgency of ['bulk', 'normal', 'urgent'] as const) {
    const limiter = limiterOf({ ip: { limit: 1, milliseconds: 60 * second }, egressId: urgency })
    assert.equal((await grants(limiter, 2, urgency, urgency)).granted, 1)
  }
})

test('a refused bulk call gets the moment of the next bulk place, not of any place', async (context) => {
  const { db, limiterOf } = await openLimiters(context)
  const limiter = limiterOf({ ip: { limit: 10, milliseconds: 10 * second } })
  assert.equal((await grants(limiter, 8)).granted, 8)
  await sql`update hostaway_call_windows set calls = (
    select array_agg(clock_timestamp() - (9 - place) * interval '1 second' order by place)
    from generate_series(1, 8) as place)`.execute(db)
  const { waitMs } = await grants(limiter, 1, 'bulk')
  // Six may be used and eight are: the third oldest, made six seconds ago, has to leave.
  assert.ok(Math.abs(waitMs - (4 * second + guardMs)) < 250, `${waitMs} ms`)
})

test('accounts share the window of their IP, and IPs share the window of an account', async (context) => {
  const { limiterOf } = await openLimiters(context)
  const limiter = limiterOf({ ip: { limit: 4, milliseconds: 60 * second } })
  assert.equal((await grants(limiter, 3, 'urgent', '1')).granted, 3)
  assert.equal((await grants(limiter, 3, 'urgent', '2')).granted, 1)
  const account = { limit: 2, milliseconds: 60 * second }
  assert.equal((await grants(limiterOf({ account, egressId: 'a' }), 1, 'urgent', '3')).granted, 1)
  assert.equal((await grants(limiterOf({ account, egressId: 'b' }), 2, 'urgent', '3')).granted, 1)
})

test('a call refused by one window uses no place in the other', async (context) => {
  const { limiterOf } = await openLimiters(context)
  const limiter = limiterOf({
    ip: { limit: 3, milliseconds: 60 * second },
    account: { limit: 1, milliseconds: 60 * second },
  })
  assert.equal((await grants(limiter, 9, 'urgent', '1')).granted, 1)
  assert.equal((await grants(limiter, 1, 'urgent', '2')).granted, 1)
  assert.equal((await grants(limiter, 1, 'urgent', '3')).granted, 1)
})

test('an extra limit per account holds besides the profile', async (context) => {
  const { limiterOf } = await openLimiters(context)
  const limiter = limiterOf({ perAccount: callsPerMinute(100, 5), account: { limit: 9, milliseconds: 100 } })
  const { granted, waitMs } = await grants(limiter, 7)
  assert.equal(granted, 5)
  assert.ok(waitMs > 2 * second && waitMs <= 3 * second + guardMs, `${waitMs} ms`)
  assert.equal((await limiter.available()).account, 0)
})

test('what was used is remembered by a process that starts later', async (context) => {
  const { limiterOf, open } = await openLimiters(context)
  const ip = { limit: 2, milliseconds: 60 * second }
  assert.equal((await grants(limiterOf({ ip }), 2)).granted, 2)
  assert.equal((await grants(limiterOf({ ip }, open()), 1)).granted, 0)
})

test('a pause stops its window until then, for a minute at most, and is never shortened', async (context) => {
  const { limiterOf } = await openLimiters(context)
  const limiter = limiterOf({})
  const inSeconds = (seconds: number) => new Date(Date.now() + seconds * second)
  await limiter.pause({ scope: 'account', accountId: '1', until: inSeconds(20) })
  await limiter.pause({ scope: 'account', accountId: '1', until: inSeconds(5) })
  await limiter.pause({ scope: 'account', accountId: '2', until: inSeconds(-5) })
  const paused = await grants(limiter, 1, 'urgent', '1')
  assert.equal(paused.granted, 0)
  assert.ok(paused.waitMs > 18 * second && paused.waitMs <= 20 * second, `${paused.waitMs} ms`)
  assert.equal((await grants(limiter, 1, 'urgent', '2')).granted, 1)
  assert.equal((await limiter.available()).account, 0)
  await limiter.pause({ scope: 'ip', accountId: '1', until: inSeconds(9_999) })
  const all = await grants(limiter, 1, 'urgent', '2')
  assert.equal(all.granted, 0)
  assert.ok(all.waitMs > 58 * second && all.waitMs <= 60 * second, `${all.waitMs} ms`)
})

test('a clock that went back neither blocks for long nor lets more calls through', async (context) => {
  const { db, limiterOf } = await openLimiters(context)
  const limiter = limiterOf({ ip: { limit: 2, milliseconds: 10 * second } })
  assert.equal((await grants(limiter, 2)).granted, 2)
  await sql`update hostaway_call_windows set paused_until = clock_timestamp() + interval '2 hours',
    calls = array[clock_timestamp() + interval '1 hour', clock_timestamp() + interval '1 hour']`.execute(db)
  const { granted, waitMs } = await grants(limiter, 1)
  assert.equal(granted, 0)
  assert.ok(waitMs > 9 * second && waitMs <= 10 * second + guardMs, `${waitMs} ms`)
})

test('the gauge shows what is left, for accounts the least of them', async (context) => {
  const { limiterOf, metrics } = await openLimiters(context)
  const limiter = limiterOf({
    ip: { limit: 9, milliseconds: 60 * second },
    account: { limit: 5, milliseconds: 60 * second },
  })
  assert.deepEqual(await limiter.available(), { ip: 9, account: 5 })
  await grants(limiter, 1, 'urgent', '1')
  await grants(limiter, 3, 'urgent', '2')
  assert.deepEqual(await limiter.available(), { ip: 5, account: 2 })
  const { values } = await metrics.limiterAvailable.get()
  assert.deepEqual(
    values.map(({ labels, value }) => [labels.window, value]),
    [
      ['ip', 5],
      ['account', 2],
    ],
  )
})

test('without a database no place is granted and the failure says so', async () => {
  const db = openDatabase({
    url: 'postgres://nobody@127.0.0.1:1/none',
    maxConnections: 1,
    applicationName: 'test',
  })
  const metrics = createMetrics()
  const limiter = createLimiter({ db, profile: parseRateLimitProfile('2025'), egressId: 'egress', metrics })
  await assert.rejects(limiter.acquire({ accountId: '1', urgency: 'urgent' }), {
    kind: 'database_unavailable',
  })
  await assert.rejects(limiter.acquire({ accountId: '1', urgency: 'urgent' }), {
    kind: 'database_unavailable',
  })
  await db.destroy()
})

test('a process frozen while it holds the locks does not stop the others for long', async (context) => {
  const { db, open, limiterOf } = await openLimiters(context)
  const limiter = limiterOf({})
  await grants(limiter, 1)
  const frozen = await open().startTransaction().execute()
  await sql`set local idle_in_transaction_session_timeout = '100ms'`.execute(frozen)
  await sql`select 1 from hostaway_call_windows where scope = 'ip' for update`.execute(frozen)
  assert.equal((await grants(limiter, 1)).granted, 1)
  const { rows } = await sql<{ calls: number }>`
    select cardinality(calls) as calls from hostaway_call_windows where scope = 'ip'`.execute(db)
  assert.deepEqual(rows, [{ calls: 2 }])
  await frozen
    .rollback()
    .execute()
    .catch(() => {})
})

/** Arrival times that break a strict sliding window: more than `limit` within less than `milliseconds`. */
function violations(arrivals: number[], { limit, milliseconds }: CallLimit): number[] {
  const inOrder = arrivals.toSorted((a, b) => a - b)
  return inOrder.filter(
    (at, index) => (inOrder[index + limit] ?? Number.POSITIVE_INFINITY) - at < milliseconds,
  )
}

test('whatever the limits, processes and delays, no sliding window holds more calls than it may', async (context) => {
  const { limiterOf, open } = await openLimiters(context)
  const connections = [open(), open(), open(), open()]
  const limit = fc.record({
    limit: fc.integer({ min: 1, max: 6 }),
    milliseconds: fc.integer({ min: 50, max: 400 }),
  })
  let run = 0
  const everyWindowHolds = fc.asyncProperty(
    limit,
    limit,
    fc.integer({ min: 1, max: 4 }),
    fc.infiniteStream(
      fc.record({ before: fc.nat(60), onTheWay: fc.nat(120), account: fc.constantFrom('a', 'b') }),
    ),
    async (ip, account, processes, plan) => {
      run += 1
      const arrivals: Array<{ at: number; account: string }> = []
      const until = performance.now() + 1_200
      const egressId = `run-${run}`
      const hammer = async (limiter: Limiter) => {
        while (performance.now() < until) {
          const step = plan.next().value
          await delay(step.before)
          const accountId = `${step.account}-${run}`
          const acquisition = await limiter.acquire({ accountId, urgency: 'urgent' })
          if (!acquisition.granted) continue
          await delay(step.onTheWay)
          arrivals.push({ at: performance.now(), account: step.account })
        }
      }
      const used = connections.slice(0, processes)
      await Promise.all(
        used.flatMap((own) => [
          hammer(limiterOf({ ip, account, egressId }, own)),
          hammer(limiterOf({ ip, account, egressId }, own)),
        ]),
      )
      const at = (name?: string) =>
        arrivals
          .filter((arrival) => name === undefined || arrival.account === name)
          .map((arrival) => arrival.at)
      assert.ok(arrivals.length > 0)
      assert.deepEqual(violations(at(), ip), [])
      assert.deepEqual(violations(at('a'), account), [])
      assert.deepEqual(violations(at('b'), account), [])
    },
  )
  await fc.assert(everyWindowHolds, { numRuns: 6, endOnFailure: true })
})

function startHammer(context: TestContext, args: string[]): ChildProcess {
  const script = path.join(import.meta.dirname, '../../support/hammer-hostaway.ts')
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  context.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return child
}

test('four processes that hammer never exceed the limits as Hostaway counts them, and use the windows up', async (context) => {
  const url = await createTestDatabase(context)
  const hostaway = await startScriptedHostaway(context, answering({ result: [] }))
  const profile = 'custom:12/2s,10/1s'
  const { ip, account } = parseRateLimitProfile(profile)
  const children = Array.from({ length: 4 }, () => startHammer(context, [url, hostaway.apiUrl, profile]))
  const rounds = 4
  await eventually(() => assert.ok(hostaway.requests.length > ip.limit * rounds), { timeoutMs: 30_000 })
  for (const child of children) child.kill('SIGKILL')
  const arrivals = hostaway.requests.map((request) => request.at)
  assert.deepEqual(violations(arrivals, ip), [])
  assert.deepEqual(violations(arrivals, account), [])
  // After so many rounds of a full window and its guard the next call could arrive at the earliest.
  const [first = 0] = arrivals
  const took = (arrivals[ip.limit * rounds] ?? Number.POSITIVE_INFINITY) - first
  assert.ok(took < (rounds * (ip.milliseconds + guardMs)) / 0.95, `${took} ms`)
})
