import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import type { QueuedView } from '../../../src/bookings/approvals/queued-view.ts'
import { eventually } from '../../support/eventually.ts'
import { startObserved } from '../../support/observed-inbound.ts'
import { newReservation, versionAt } from '../../support/reservation-bodies.ts'

const { system, connection, ...inbound } = await startObserved(
  { after },
  { connection: { autoImport: false }, upkeepTimes: { releaseEveryMs: 100 } },
)

const stay = (year: number, departureDate: string | null = `${year}-05-07`) =>
  newReservation({ arrivalDate: `${year}-05-03`, departureDate, updatedOn: versionAt(0) })

it('books what waited for a yes once the connection imports by itself, and nothing else', async () => {
  const complete = [stay(2031), stay(2032)]
  const [incomplete, refused] = [stay(2033, null), stay(2034)]
  for (const body of [...complete, incomplete, refused]) await inbound.send(body)
  const row = await inbound.queued(refused.id)
  const rejected = await system.api('POST', `/v1/booking-queue/${row?.id}/reject`, { reason: 'The roof' })
  assert.equal(rejected.status, 200, rejected.text)

  const changed = await system.api('PATCH', `/v1/connections/${connection.id}`, { autoImport: true })
  assert.equal(changed.status, 200, changed.text)
  for (const { id } of complete) {
    const booking = await eventually(() => inbound.booking(id))
    assert.equal(booking.status, 'confirmed')
    const imported = await inbound.queued(id)
    assert.equal(imported?.status, 'imported')
    const { body: webhook } = await system.api<{ outcome: string }>(
      'GET',
      `/v1/webhooks/${imported?.webhook_id}`,
    )
    assert.equal(webhook.outcome, 'created')
  }
  const { body } = await system.api<{ data: QueuedView[] }>('GET', '/v1/booking-queue?limit=200')
  const statuses = new Map(body.data.map(({ externalId, status }) => [externalId, status]))
  assert.deepEqual(
    [incomplete, refused].map(({ id }) => statuses.get(String(id))),
    ['pending', 'rejected'],
  )
  assert.deepEqual(await inbound.bookings(refused.id), [])
})
