import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { queueBackends } from '../../support/backends.ts'
import { announcementOf, startObserved } from '../../support/observed-inbound.ts'
import { newReservation } from '../../support/reservation-bodies.ts'

const copies = 1_000
// The kernel resets connections beyond the 511 that a server lets wait to be accepted.
const connections = 250
// Hostaway itself would wait 20 s; on a busy machine the last of a thousand requests may need them.
const settings = { LOG_LEVEL: 'warn', HOSTAWAY_WEBHOOK_TIMEOUT_MS: '20000' }

for (const backend of queueBackends()) {
  describe(`on ${backend.name}`, () => {
    it('the same webhook a thousand times at once makes one booking, one block and one event of each', async (t) => {
      const { system, connection, ...inbound } = await startObserved(t, {
        backend,
        settings,
      })
      const body = newReservation({ status: 'new' })
      const raw = JSON.stringify(announcementOf(body, 'reservation.created'))

      const deliveries = await Promise.all(
        Array.from({ length: connections }, async () => {
          const answers = []
          for (let sent = 0; sent < copies / connections; sent += 1) {
            answers.push(await system.deliver(connection, raw))
          }
          return answers
        }),
      )
      const answers = deliveries.flat()
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
      assert.equal(new Set(answers.map((answer) => answer.body.webhookId)).size, copies)
      await inbound.settled(100_000)

      const booking = await inbound.booking(body.id)
      assert.equal(booking.status, 'confirmed')
      assert.equal(await inbound.nights(body.id), '2027-05-03…2027-05-07')
      assert.deepEqual(await inbound.eventTypes(body.id), ['booking.created', 'availability.blocked'])
      const outcomes = await system.db
        .selectFrom('webhook_logs')
        .select(['status', 'outcome', (eb) => eb.fn.countAll<string>().as('count')])
        .groupBy(['status', 'outcome'])
        .orderBy('outcome')
        .execute()
      assert.deepEqual(outcomes, [
        { status: 'processed', outcome: 'created', count: '1' },
        { status: 'processed', outcome: 'unchanged', count: String(copies - 1) },
      ])
      assert.deepEqual(await system.control.calls({ path: '/reservations/**' }), [])
    })
  })
}
