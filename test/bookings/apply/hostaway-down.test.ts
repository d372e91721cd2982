import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { queueBackends } from '../../support/backends.ts'
import { eventually } from '../../support/eventually.ts'
import { announcementOf, startObserved } from '../../support/observed-inbound.ts'
import { newReservation } from '../../support/reservation-bodies.ts'
import { sandboxAccount } from '../../support/test-system.ts'

const { accountId } = sandboxAccount
const webhooks = 12

// Without the breaker this many attempts are used up within a third of a second.
const settings = {
  HOSTAWAY_MAX_RETRIES: '6',
  HOSTAWAY_RETRY_DELAY_MS: '1',
  HOSTAWAY_CIRCUIT_BREAKER_THRESHOLD: '5',
  HOSTAWAY_CIRCUIT_BREAKER_RESET_MS: '100',
}

for (const backend of queueBackends()) {
  describe(`on ${backend.name}`, { concurrency: true }, () => {
    it('while Hostaway is down jobs wait behind the breaker and lose no attempt', async () => {
      const {
        system,
        connection: _connection,
        ...inbound
      } = await startObserved({ after }, { backend, settings })
      const { breakerState } = system.deps.metrics
      const isOpen = async () =>
        (await breakerState.get()).values.some(({ labels, value }) => labels.state === 'open' && value === 1)
      const reservations = await Promise.all(
        Array.from({ length: webhooks }, () => system.control.book(accountId, { silent: true })),
      )
      const down = await system.control.injectFault({ kind: 'down' })
      const ids = await Promise.all(
        reservations.map((body) => inbound.accept(announcementOf({ ...body, updatedOn: undefined }))),
      )
      await eventually(async () => assert.ok(await isOpen()), { intervalMs: 5 })
      const before = (await system.control.calls({ path: '/reservations/**' })).length
      await eventually(
        async () => {
          const calls = await system.control.calls({ path: '/reservations/**' })
          assert.ok(calls.length >= before + 2)
        },
        { timeoutMs: 20_000 },
      )
      // What needs nothing from Hostaway does not wait.
      const plain = newReservation()
      assert.equal((await inbound.send(plain)).outcome, 'created')

      await system.control.clearFaults(down.id)
      const ended = await Promise.all(ids.map((id) => inbound.ended(id, 30_000)))
      assert.deepEqual([...new Set(ended.map(({ outcome }) => outcome))], ['created'])
      assert.deepEqual(await system.db.selectFrom('dead_letter_queue').selectAll().execute(), [])
      assert.equal(await isOpen(), false)
    })
  })
}
