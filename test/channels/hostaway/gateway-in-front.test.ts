import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { afterAll } from '../../support/after-all.ts'
import { bookedSystem, bookingBody } from '../../support/booked-system.ts'
import { desired, fastTimes, inDays, type SyncStatus } from '../../support/desired-events.ts'
import { eventually } from '../../support/eventually.ts'
import { sandboxAccount, startTestSystem } from '../../support/test-system.ts'

type Connection = { status: string }
type List = { data: unknown[] }

const page = '<!doctype html><title>One moment</title><p>Checking that you are not a robot</p>'

describe('a gateway in front of Hostaway that answers in its place', () => {
  for (const status of [302, 400, 401, 403, 404]) {
    const context = afterAll()

    it(`${status} with a page of its own is an outage: nothing is given up, and all of it follows afterwards`, async () => {
      const system = await startTestSystem(context, {
        outboundTimes: fastTimes,
        settings: { HOSTAWAY_RETRY_DELAY_MS: '400', HOSTAWAY_CIRCUIT_BREAKER_RESET_MS: '300' },
      })
      const connection = await system.connect()
      const booked = bookedSystem(system)
      await system.control.holdDeliveries(sandboxAccount.accountId)
      const reservation = await system.control.book(sandboxAccount.accountId)
      const fault = await system.control.injectFault({ kind: 'status', status, body: page })

      await desired(system, {
        type: 'availability.updated',
        unitId: 'hostaway-400001',
        ranges: [{ from: inDays(200), to: inDays(202), available: false }],
      })
      const made = await booked.book(bookingBody(90))
      // A body that says too little has to be fetched.
      const event = {
        event: 'reservation.updated',
        objectId: reservation.id,
        accountId: connection.accountId,
      }
      assert.equal((await system.deliver(connection, event)).status, 200)
      await eventually(async () => {
        const [rule] = await system.control.faults()
        assert.ok((rule?.hits ?? 0) >= 3)
      })
      await system.control.clearFaults(fault.id)

      await eventually(
        async () => {
          const { body } = await system.api<SyncStatus>('GET', `/v1/connections/${connection.id}/sync`)
          assert.deepEqual([body.pendingDays, body.failedDays], [0, 0])
          assert.equal((await booked.show(made.id)).push?.status, 'done')
          const fetched = await system.api<List>('GET', `/v1/bookings?externalId=${reservation.id}`)
          assert.equal(fetched.body.data.length, 1)
        },
        { timeoutMs: 60_000 },
      )
      const { body: shown } = await system.api<Connection>('GET', `/v1/connections/${connection.id}`)
      assert.equal(shown.status, 'active')
      assert.deepEqual((await system.api<List>('GET', '/v1/dead-letters')).body.data, [])
    })
  }
})
