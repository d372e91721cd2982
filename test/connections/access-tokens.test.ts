import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { callChannel } from '../../src/connections/call-channel.ts'
import { createDeps, type Deps } from '../../src/deps.ts'
import { startWorkers } from '../../workers/start-workers.ts'
import { eventually } from '../support/eventually.ts'
import { announcementOf, startObserved } from '../support/observed-inbound.ts'
import { newReservation } from '../support/reservation-bodies.ts'
import { sandboxAccount } from '../support/test-system.ts'

const { accountId } = sandboxAccount
// The sweep takes a job for lost after a minute only.
const atOnceMs = 20_000

const { system, connection, ...inbound } = await startObserved({ after }, { workers: false })

const connectionStatus = async () =>
  (await system.api<{ status: string }>('GET', `/v1/connections/${connection.id}`)).body.status

async function tokenCalls(): Promise<number> {
  return (await system.control.calls({ method: 'POST', path: '/accessTokens' })).length
}

it('a token that expires under two worker processes at once is renewed once', async (t) => {
  const silent = { ...system.config, LOG_LEVEL: 'silent' as const }
  const others = await createDeps(silent, { role: 'other' })
  t.after(() => others.close())
  const workers = await startWorkers(others)
  t.after(() => workers.close())
  await system.startWorkers()

  const reservations = await Promise.all(
    Array.from({ length: 24 }, () => system.control.book(accountId, { silent: true })),
  )
  await system.control.clearCalls()
  assert.ok((await system.control.expireTokens(accountId)).tokens > 0)
  const ids = await Promise.all(
    reservations.map((body) => inbound.accept(announcementOf({ ...body, updatedOn: undefined }))),
  )
  const webhooks = await Promise.all(ids.map((id) => inbound.ended(id)))
  assert.deepEqual([...new Set(webhooks.map(({ outcome }) => outcome))], ['created'])
  assert.equal(await tokenCalls(), 1)
})

it('a token that expires under twenty processes at once is renewed once', async (t) => {
  const silent = { ...system.config, LOG_LEVEL: 'silent' as const, WORKER_CONCURRENCY: 1 }
  const processes = await Promise.all(Array.from({ length: 20 }, () => createDeps(silent, { role: 'other' })))
  t.after(async () => void (await Promise.all(processes.map((process) => process.close()))))
  await system.control.clearCalls()
  await system.control.expireTokens(accountId)
  const ask = (process: Deps) =>
    callChannel(
      process,
      { id: connection.id, accountId: String(accountId), channel: 'hostaway' },
      { urgency: 'urgent', maxWaitMs: 10_000 },
      (channel, call) => channel.access.check(call),
    )
  // As a job does, each comes back while another one renews the token.
  await Promise.all(processes.map((process) => eventually(() => ask(process), { intervalMs: 100 })))
  assert.equal(await tokenCalls(), 1)
})

it('one forbidden operation sets one job aside and leaves the connection active', async () => {
  const [forbidden, other] = await Promise.all([
    system.control.book(accountId, { silent: true }),
    system.control.book(accountId, { silent: true }),
  ])
  await system.control.clearCalls()
  await system.control.injectFault({ kind: 'status', status: 403, path: `/reservations/${forbidden.id}` })
  const refused = await inbound.send({ ...forbidden, updatedOn: undefined })
  assert.deepEqual([refused.status, refused.outcome], ['failed', 'forbidden'])
  assert.equal(await tokenCalls(), 1)
  assert.equal((await system.control.calls({ path: `/reservations/${forbidden.id}` })).length, 2)
  assert.equal(await connectionStatus(), 'active')
  assert.equal((await inbound.send({ ...other, updatedOn: undefined })).outcome, 'created')
  await system.control.clearFaults()
})

it('with a revoked key inbound is stored and applied, what must be fetched waits, and a new key lets it go on at once', async () => {
  const [first, second] = await Promise.all([
    system.control.book(accountId, { silent: true }),
    system.control.book(accountId, { silent: true }),
  ])
  await system.control.changeApiKey(accountId, 'another-key-of-the-account')
  await system.control.revokeTokens(accountId)
  const discovering = await inbound.accept(announcementOf({ ...first, updatedOn: undefined }))
  await eventually(async () => assert.equal(await connectionStatus(), 'needs_reauth'))
  assert.equal(system.logged.filter((line) => line.includes('connection.needs_reauth')).length, 1)
  const { text } = await system.api('GET', '/metrics')
  assert.match(text, /^hostaway_connections\{status="needs_reauth"\} 1$/m)

  const plain = newReservation()
  assert.equal((await inbound.send(plain)).outcome, 'created')
  const unknown = newReservation({ listingMapId: 499995 })
  assert.equal((await inbound.send(unknown)).outcome, 'waiting')
  await system.control.clearCalls()
  const waiting = await inbound.accept(announcementOf({ ...second, updatedOn: undefined }))
  const next = newReservation({ listingMapId: 400002 })
  assert.equal((await inbound.send(next)).outcome, 'created')
  const stillWaiting = await system.api<{ status: string }>('GET', `/v1/webhooks/${waiting}`)
  assert.equal(stillWaiting.body.status, 'received')
  assert.deepEqual(await system.control.calls(), [])

  await system.connect({ apiKey: 'another-key-of-the-account' })
  assert.equal(await connectionStatus(), 'active')
  for (const id of [waiting, discovering]) {
    assert.equal((await inbound.ended(id, atOnceMs)).outcome, 'created')
  }
})
