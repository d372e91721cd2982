import assert from 'node:assert/strict'
import { before, it } from 'node:test'
import { sql } from 'kysely'
import { afterAll } from '../support/after-all.ts'
import { eventually } from '../support/eventually.ts'
import { observeHistory } from '../support/history-fixture.ts'
import { sandboxAccount, startTestSystem, type TestSystem } from '../support/test-system.ts'

const { accountId } = sandboxAccount
const count = 1_100

const context = afterAll()
let system: TestSystem
let history: ReturnType<typeof observeHistory>
let connectionId = ''

before(async () => {
  system = await startTestSystem(context, { imports: true })
  history = observeHistory(system)
})

const eventTypes = async () => {
  const { rows } = await sql<{ type: string; count: number }>`
    select type, count(*)::int as count from event_outbox group by type
  `.execute(system.db)
  return new Map(rows.map((row) => [row.type, row.count]))
}

it('connecting imports what was there before, in the fewest calls, while guests go on booking', async () => {
  const { firstId } = await system.control.makeHistory(accountId, { count })
  await system.control.injectFault({ kind: 'latency', latencyMs: 150, path: '/reservations', method: 'GET' })
  await system.api('POST', '/v1/tenants', { slug: 'demo', name: 'Demo' })
  const connected = await system.api<{ id: string; import: { id: string; status: string } }>(
    'POST',
    '/v1/connections',
    { tenant: 'demo', channel: 'hostaway', autoImport: true, ...sandboxAccount },
  )
  assert.equal(connected.status, 201)
  connectionId = connected.body.id
  assert.equal(connected.body.import.status, 'running')

  // Changed while it is read: what was read already, what was not, and what is on the page under way.
  const { control } = system
  for (let page = 0; page < 3; page += 1) {
    await eventually(async () => assert.ok((await history.pagesAsked()).length > page))
    await control.change(accountId, firstId + page, { numberOfGuests: 9, adults: 9 })
    await control.cancel(accountId, firstId + 400 + page)
    await control.change(accountId, firstId + count - 1 - page, { numberOfGuests: 8, adults: 8 })
    await control.book(accountId, { status: 'new' })
  }
  const ended = await history.when(connectionId, 'completed')
  await control.whenDelivered()
  await eventually(() => history.assertSameAsHostaway(connectionId))

  assert.equal(ended.id, connected.body.import.id)
  assert.equal(ended.done, ended.total)
  assert.equal(ended.done, count + 3)
  assert.equal(ended.failed, 0)
  assert.ok((ended.ratePerSecond ?? 0) > 0)
  assert.equal(ended.step, 'changes')
  const pages = await history.pagesAsked()
  const behind = pages.filter((page) => page !== null)
  assert.equal(new Set(behind).size, behind.length, 'only the top of the list is read again')
  // Three pages, then what changed meanwhile until nothing of it is news.
  assert.ok(pages.length <= 6, `${pages.length} calls`)
  assert.equal((await system.control.calls({ path: '/listings' })).length, 1)
  const events = await eventTypes()
  assert.equal(events.get('booking.created'), count + 3)
  assert.equal(events.get('booking.conflict'), undefined)
  const shown = await system.api<{ lastSyncAt: string | null }>('GET', `/v1/connections/${connectionId}`)
  assert.notEqual(shown.body.lastSyncAt, null)
  await control.clearFaults()
})

it('reading the same again changes nothing and emits no event', async () => {
  const before = await eventTypes()
  const asked = await system.api<{ id: string; status: string }>(
    'POST',
    `/v1/connections/${connectionId}/import`,
  )
  assert.equal(asked.status, 202)
  assert.equal(asked.body.status, 'running')
  const ended = await history.when(connectionId, 'completed')
  assert.equal(ended.id, asked.body.id)
  assert.deepEqual([ended.created, ended.updated, ended.unchanged], [0, 0, count + 3])
  assert.deepEqual(await eventTypes(), before)
})

it('an import of some days reads only stays that touch them', async () => {
  const { reservations } = await system.control.state(accountId)
  const days = reservations.map(({ arrivalDate }) => arrivalDate).toSorted()
  const [from, to] = [days[500] ?? '', days[560] ?? '']
  const touching = reservations.filter((one) => one.departureDate >= from && one.arrivalDate <= to)
  await system.api('POST', `/v1/connections/${connectionId}/import`, { from, to })
  const ended = await history.when(connectionId, 'completed')
  assert.equal(ended.done, touching.length)
  for (const body of [{ from: '2027-02-30' }, { from: to, to: '2020-01-01' }, { since: from }]) {
    const refused = await system.api('POST', `/v1/connections/${connectionId}/import`, body)
    assert.equal(refused.status, 422, JSON.stringify(body))
  }
})

it('one that runs is the answer to a second request, stands in the way of one that reads more, and can be cancelled', async () => {
  const path = `/v1/connections/${connectionId}/import`
  // The second page is on its way for as long as this takes.
  const slow = { kind: 'latency', latencyMs: 4_000, path: '/reservations', method: 'GET' } as const
  await system.control.injectFault({ ...slow, skip: 1 })
  await system.control.clearCalls()
  const first = await system.api<{ id: string }>('POST', path, { from: '2020-01-01' })
  const same = await system.api<{ id: string }>('POST', path, { from: '2020-01-01' })
  const within = await system.api<{ id: string }>('POST', path, { from: '2021-01-01', to: '2030-01-01' })
  assert.deepEqual([same.body.id, within.body.id], [first.body.id, first.body.id])
  const more = await system.api<{ code: string }>('POST', path)
  assert.deepEqual([more.status, more.body.code], [409, 'IMPORT_RUNNING'])

  await eventually(async () => assert.equal((await history.pagesAsked()).length, 2))
  const running = await history.show(connectionId, first.body.id)
  assert.equal(running.status, 'running')
  assert.equal(running.total, count + 3)
  assert.equal(running.done, 500)
  assert.ok(Date.parse(running.estimatedEndAt ?? '') > Date.now())

  const cancel = `/v1/connections/${connectionId}/imports/${first.body.id}/cancel`
  for (let time = 0; time < 2; time += 1) {
    const cancelled = await system.api<{ status: string }>('POST', cancel)
    assert.deepEqual([cancelled.status, cancelled.body.status], [200, 'cancelled'])
  }
  await system.control.clearFaults()
  await eventually(async () => {
    const turn = await system.db.selectFrom('polling_leases').selectAll().executeTakeFirst()
    assert.deepEqual([turn?.import_due_at, turn?.lease_until], [null, null])
  })
  assert.ok((await history.pagesAsked()).length <= 2)
  assert.equal((await history.show(connectionId, first.body.id)).done, 500)
})

it('while the connection is paused an import waits, and it goes on when that is over', async () => {
  assert.equal((await system.api('POST', `/v1/connections/${connectionId}/pause`)).status, 200)
  const asked = await system.api('POST', `/v1/connections/${connectionId}/import`, { from: '2020-01-01' })
  assert.equal(asked.status, 202)
  await system.control.clearCalls()
  await system.control.book(accountId, { silent: true })
  assert.equal((await history.newest(connectionId)).status, 'running')
  assert.deepEqual(await system.control.calls(), [])

  assert.equal((await system.api('POST', `/v1/connections/${connectionId}/resume`)).status, 200)
  await history.when(connectionId, 'completed')
})
