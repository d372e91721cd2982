import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { queueBackends } from '../../support/backends.ts'
import { eventually } from '../../support/eventually.ts'
import { sandboxAccount, startTestSystem } from '../../support/test-system.ts'

type Bookings = { data: Array<{ externalId: string; status: string; checkIn: string; unitId: string }> }

for (const backend of queueBackends()) {
  describe(`on ${backend.name}`, () => {
    it('a guest who books at Hostaway becomes a booking, and cancelling there cancels it', async (t) => {
      const system = await startTestSystem(t, { backend })
      await system.connect()
      const { accountId } = sandboxAccount
      const reservation = await system.control.book(accountId, { guestName: 'Ada Example' })

      const bookings = () => system.api<Bookings>('GET', `/v1/bookings?externalId=${reservation.id}`)
      await eventually(async () => {
        const { body } = await bookings()
        assert.equal(body.data[0]?.status, 'confirmed')
        assert.equal(body.data[0]?.checkIn, reservation.arrivalDate)
      })

      await system.control.cancel(accountId, reservation.id)
      await eventually(async () => {
        const { body } = await bookings()
        assert.deepEqual(
          body.data.map(({ status }) => status),
          ['cancelled'],
        )
      })
    })
  })
}
