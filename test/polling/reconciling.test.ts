import assert from 'node:assert/strict'
import { before, it } from 'node:test'
import { setConnectionStatus } from '../../src/connections/connection-status-store.ts'
import { parseCron } from '../../src/platform/config/cron-times.ts'
import type { Walk } from '../../src/platform/db/history-tables.ts'
import { scheduleReconciles } from '../../src/polling/schedule-reconciles.ts'
import { afterAll } from '../support/after-all.ts'
import { eventually } from '../support/eventually.ts'
import { observeHistory } from '../support/history-fixture.ts'
import { sandboxAccount, startTestSystem, type TestSystem } from '../support/test-system.ts'

const { accountId } = sandboxAccount

const context = afterAll()
let system: TestSystem
let history: ReturnType<typeof observeHistory>
let connectionId = ''

before(async () => {
  system = await startTestSystem(context, { imports: true, upkeepTimes: { releaseEveryMs: 100 } })
  history = observeHistory(system)
  connectionId = (await system.connect({ autoMapListings: false })).id
  await history.when(connectionId, 'completed')
})

const stateOf = (id: number) =>
  system.db
    .selectFrom('bookings')
    .select(['source_status', 'guests_total'])
    .where('external_id', '=', String(id))
    .executeTakeFirst()

const watermark = async () => {
  const row = await system.db.selectFrom('reconciles').selectAll().executeTakeFirst()
  return { at: row?.watermark ?? null, isUnderWay: row?.walk !== null }
}

/** The listings get their units, as `autoMapListings` would have given them. */
async function mapListings(): Promise<void> {
  const { listings } = await system.control.state(accountId)
  for (const { listing } of listings) {
    await system.db
      .updateTable('listings')
      .set({ unit_id: `unit-${listing.id}` })
      .where('listing_id', '=', String(listing.id))
      .execute()
  }
}

it('what polling finds on a listing without a unit waits, and becomes a booking once it has one', async () => {
  const missed = await system.control.book(accountId, { silent: true })
  await history.reconcileNow(connectionId)
  const { body } = await system.api<{ data: Array<{ externalId: string; status: string }> }>(
    'GET',
    '/v1/booking-queue?status=pending',
  )
  assert.deepEqual(
    body.data.map(({ externalId }) => externalId),
    [String(missed.id)],
  )
  await mapListings()
  await eventually(async () => assert.equal((await stateOf(missed.id))?.source_status, 'new'))
})

it('a change whose webhook was missed is found', async () => {
  const told = await system.control.book(accountId)
  await system.control.whenDelivered()
  await eventually(async () => assert.ok(await stateOf(told.id)))
  const missed = await system.control.book(accountId, { silent: true })
  await system.control.cancel(accountId, told.id, { silent: true })
  await history.reconcileNow(connectionId)
  assert.equal((await stateOf(told.id))?.source_status, 'cancelled')
  assert.equal((await stateOf(missed.id))?.source_status, 'new')
  const shown = await system.api<{ lastSyncAt: string }>('GET', `/v1/connections/${connectionId}`)
  assert.ok(Date.now() - Date.parse(shown.body.lastSyncAt) < 30_000)
})

it('without changes it costs one call and emits no event', async () => {
  const events = () => system.db.selectFrom('event_outbox').selectAll().execute()
  const before = await events()
  await system.control.clearCalls()
  await history.reconcileNow(connectionId)
  assert.deepEqual(
    (await system.control.calls()).map(({ method, path }) => `${method} ${path}`),
    ['GET /reservations'],
  )
  assert.deepEqual(await events(), before)
})

it('comes by the clock, to active connections only', async () => {
  await system.control.clearCalls()
  const everySecond = parseCron('* * * * * *')
  await eventually(async () => assert.equal(await scheduleReconciles(system.db, everySecond, 0), 1))
  await eventually(async () => assert.ok((await history.pagesAsked()).length > 0))
  await history.reconciled(connectionId)

  await setConnectionStatus(system.deps, connectionId, 'needs_reauth')
  await system.control.clearCalls()
  await eventually(async () => assert.equal(await scheduleReconciles(system.db, everySecond, 0), 1))
  await history.reconciled(connectionId)
  await setConnectionStatus(system.deps, connectionId, 'active')
  assert.deepEqual(await history.pagesAsked(), [])
})

it('the watermark moves only once a pass has come down to it, and what broke off goes on from its page', async () => {
  const before = await watermark()
  const { firstId } = await system.control.makeHistory(accountId, { count: 150 })
  // All of them change unheard of, so that a pass has two pages.
  for (let index = 0; index < 150; index += 1) {
    await system.control.change(accountId, firstId + index, { numberOfGuests: 7, silent: true })
  }
  await system.control.clearCalls()
  const fault = await system.control.injectFault({
    kind: 'status',
    status: 500,
    path: '/reservations',
    skip: 1,
  })
  const done = history.reconcileNow(connectionId)
  await eventually(async () => {
    const [first, ...broken] = await history.pagesAsked()
    assert.equal(first, null)
    assert.ok(broken.length > 1)
    assert.equal(new Set(broken).size, 1)
  })
  assert.deepEqual(await watermark(), { at: before.at, isUnderWay: true })
  await system.control.clearFaults(fault.id)
  await done
  const now = await watermark()
  assert.ok(now.at !== null && before.at !== null && now.at > before.at)
  assert.equal(now.isUnderWay, false)
  assert.equal((await history.pagesAsked()).filter((behind) => behind === null).length, 1)
  for (const index of [0, 75, 149]) assert.equal((await stateOf(firstId + index))?.guests_total, 7)
})

it('a change that claims to lie in the future hides none that follow', async () => {
  const { id } = await system.control.book(accountId, { silent: true })
  await system.control.change(accountId, id, { updatedOn: '2099-01-01 00:00:00', silent: true })
  await history.reconcileNow(connectionId)
  const missed = await system.control.book(accountId, { silent: true })
  await history.reconcileNow(connectionId)
  assert.equal((await stateOf(missed.id))?.source_status, 'new')
})

it('a pass that cannot go on, because all that it would go on behind is gone, begins anew', async () => {
  const missed = await system.control.book(accountId, { silent: true })
  const lost: Walk = {
    downTo: new Date(0).toISOString(),
    newestSeen: null,
    cursors: ['999999998', '999999997'],
    skipped: 0,
    cursorAt: null,
    rows: 200,
    restarts: 3,
  }
  await system.db
    .updateTable('reconciles')
    .set({ walk: JSON.stringify(lost) })
    .execute()
  await history.reconcileNow(connectionId)
  assert.equal((await stateOf(missed.id))?.source_status, 'new')
  assert.equal((await watermark()).isUnderWay, false)
})

it('a pass whose next page is refused for good begins anew with the next one', async () => {
  const { firstId } = await system.control.makeHistory(accountId, { count: 150 })
  for (let index = 0; index < 150; index += 1) {
    await system.control.change(accountId, firstId + index, { numberOfGuests: 5, silent: true })
  }
  await system.control.injectFault({ kind: 'status', status: 400, path: '/reservations', skip: 1 })
  await history.reconcileNow(connectionId)
  await system.control.clearFaults()
  await system.control.clearCalls()
  await history.reconcileNow(connectionId)
  assert.equal((await history.pagesAsked())[0], null)
  assert.equal((await watermark()).isUnderWay, false)
  await history.assertSameAsHostaway(connectionId)
})
