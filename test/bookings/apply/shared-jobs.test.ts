import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { v7 as uuid } from 'uuid'
import { appendWebhooks } from '../../../src/webhooks/webhook-log.ts'
import { queueBackends } from '../../support/backends.ts'
import { eventually } from '../../support/eventually.ts'
import { announcementOf, startObserved } from '../../support/observed-inbound.ts'
import { type Fields, newReservation } from '../../support/reservation-bodies.ts'
import { sandboxAccount } from '../../support/test-system.ts'

for (const backend of queueBackends()) {
  describe(`on ${backend.name}`, async () => {
    const { system, connection, ...inbound } = await startObserved(
      { after },
      {
        backend,
        workers: false,
        settings: {
          HOSTAWAY_CIRCUIT_BREAKER_ENABLED: 'false',
          HOSTAWAY_MAX_RETRIES: '3',
          WORKER_CONCURRENCY: '8',
        },
      },
    )
    const { id: tenantId } = await system.db
      .selectFrom('tenants')
      .select('id')
      .where('slug', '=', connection.tenant)
      .executeTakeFirstOrThrow()

    /** Stores webhooks as one commit of the ingress does, and passes them on together. */
    async function storeTogether(bodies: Fields[]): Promise<string[]> {
      const webhooks = bodies.map((body) => ({
        id: uuid(),
        tenantId,
        connectionId: connection.id,
        eventType: 'reservation.created',
        sourceEvent: 'reservation.created',
        externalId: String(body.id),
        body: JSON.stringify(announcementOf(body, 'reservation.created')),
      }))
      await appendWebhooks(system.db, webhooks)
      await eventually(() => system.deps.queues.enqueueWebhooks(webhooks))
      return webhooks.map(({ id }) => id)
    }

    const accountId = 70_001
    await system.control.addAccount({ accountId, apiKey: 'another-key' })
    const other = await system.connect({ tenant: 'other', accountId, apiKey: 'another-key' })
    const deliverToOther = () =>
      system.deliver(other, { ...announcementOf({ ...newReservation(), accountId }), accountId })

    it('a tenant with a backlog does not make another one wait', async () => {
      const backlog = Array.from({ length: 640 }, (_, index) => {
        const month = `20${31 + (Math.floor(index / 12) % 60)}-${String((index % 12) + 1).padStart(2, '0')}`
        return newReservation({ arrivalDate: `${month}-03`, departureDate: `${month}-07` })
      })
      await storeTogether(backlog)
      const answer = await deliverToOther()
      await system.startWorkers()
      const { processed_at: processedAt } = await inbound.ended(answer.body.webhookId)
      const before = await system.db
        .selectFrom('webhook_logs')
        .select((eb) => eb.fn.countAll<string>().as('count'))
        .where('connection_id', '=', connection.id)
        .where('processed_at', '<', processedAt)
        .executeTakeFirstOrThrow()
      assert.ok(Number(before.count) < 200, `${before.count} of ${backlog.length} came first`)
      await inbound.settled(60_000)
    })

    it('a webhook that fails beside others is tried again alone, and they are done at once', async () => {
      const reservation = await system.control.book(sandboxAccount.accountId, { silent: true })
      await system.control.injectFault({
        kind: 'status',
        status: 503,
        path: `/reservations/${reservation.id}`,
      })
      const neighbours = Array.from({ length: 20 }, () => newReservation())
      const poisoned = { ...reservation, updatedOn: undefined }
      const ids = await storeTogether([...neighbours.slice(0, 10), poisoned, ...neighbours.slice(10)])
      await inbound.settled(60_000)
      for (const { id } of neighbours) assert.equal((await inbound.booking(id)).status, 'confirmed')
      const letters = await system.db
        .selectFrom('dead_letter_queue')
        .select(['subject', 'attempts', 'payload'])
        .execute()
      assert.deepEqual(letters, [{ subject: ids[10], attempts: 3, payload: { webhookId: ids[10] } }])
    })

    it('a tenant whose webhooks all fail and are tried again does not make another one wait', async () => {
      const path = '/reservations/*'
      await system.control.injectFault({ kind: 'status', status: 503, path })
      await system.control.clearCalls()
      const failing = Array.from({ length: 96 }, () => newReservation({ updatedOn: undefined }))
      await storeTogether(failing)
      const tried = async () => (await system.control.calls({ path })).length
      await eventually(async () => assert.ok((await tried()) >= failing.length), { timeoutMs: 60_000 })
      await system.control.clearCalls()
      const answer = await deliverToOther()
      await inbound.ended(answer.body.webhookId)
      const meanwhile = await tried()
      assert.ok(meanwhile < 50, `${meanwhile} of ${2 * failing.length} further attempts came first`)
      await system.control.clearFaults()
      await inbound.settled(60_000)
    })
  })
}
