import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { readAccessToken } from '../../src/connections/connection-secret-store.ts'
import { queueBackends } from '../support/backends.ts'
import { eventually } from '../support/eventually.ts'
import { announcementOf, startObserved } from '../support/observed-inbound.ts'
import { newReservation, versionAt } from '../support/reservation-bodies.ts'
import { sandboxAccount } from '../support/test-system.ts'

type Letter = {
  id: string
  subject: string
  kind: string
  message: string
  attempts: number
  status: string
  payload: Record<string, string>
}

const { accountId, apiKey } = sandboxAccount

for (const backend of queueBackends()) {
  describe(`on ${backend.name}`, async () => {
    const { system, connection, ...inbound } = await startObserved(
      { after },
      { backend, settings: { HOSTAWAY_CIRCUIT_BREAKER_ENABLED: 'false', HOSTAWAY_MAX_RETRIES: '3' } },
    )
    const lettersOf = async (subject: string, status?: string) => {
      const path = `/v1/dead-letters${status === undefined ? '' : `?status=${status}`}`
      const { body } = await system.api<{ data: Letter[] }>('GET', path)
      return body.data.filter((letter) => letter.subject === subject)
    }
    const replay = (letter: Letter | undefined) =>
      system.api<{ code?: string }>('POST', `/v1/dead-letters/${letter?.id}/replay`)
    const metric = async (line: string) => {
      const { text } = await system.api('GET', '/metrics')
      return text.split('\n').some((found) => found === line)
    }

    /** Announces a reservation that must be fetched while Hostaway answers nothing but 503. */
    async function failForGood() {
      const reservation = await system.control.book(accountId, { silent: true })
      const fault = await system.control.injectFault({
        kind: 'status',
        status: 503,
        path: `/reservations/${reservation.id}`,
        body: { status: 'fail', message: `Bearer ${await currentToken()} is of no use now` },
      })
      const webhook = await inbound.send({ ...reservation, updatedOn: undefined })
      return { reservation, fault, webhook }
    }

    async function currentToken(): Promise<string> {
      const stored = await readAccessToken(system.db, system.deps.vault, connection.id)
      assert.ok(stored)
      return stored.token
    }

    it('a webhook whose fetch fails for good is one visible row, counted, logged and without a secret', async () => {
      const { reservation, fault, webhook } = await failForGood()
      assert.deepEqual([webhook.status, webhook.outcome], ['failed', 'hostaway_unavailable'])
      const calls = await system.control.calls({ path: `/reservations/${reservation.id}` })
      assert.equal(calls.length, 3)
      const [letter, ...others] = await lettersOf(webhook.id)
      assert.equal(others.length, 0)
      assert.partialDeepStrictEqual(letter, {
        kind: 'hostaway_unavailable',
        attempts: 3,
        status: 'open',
        payload: { webhookId: webhook.id },
      })
      assert.match(letter?.message ?? '', /503.*is of no use now/)
      assert.ok(await metric('hostaway_dead_letters_total{queue="inbound",kind="hostaway_unavailable"} 1'))
      assert.ok(await metric('hostaway_dead_letters_open 1'))
      assert.ok(
        await metric(
          'hostaway_webhooks_processed_total{event_type="reservation.updated",status="failure"} 1',
        ),
      )
      assert.equal(system.logged.filter((line) => line.includes('"job.dead_letter"')).length, 1)

      const everything = [
        ...system.logged,
        JSON.stringify(await system.db.selectFrom('dead_letter_queue').selectAll().execute()),
        JSON.stringify(await system.db.selectFrom('webhook_logs').selectAll().execute()),
      ].join('\n')
      const credentials = connection.basic.replace('Basic ', '')
      const password = Buffer.from(credentials, 'base64').toString().split(':')[1] ?? ''
      for (const secret of [apiKey, await currentToken(), credentials, password]) {
        assert.ok(secret.length > 8 && !everything.includes(secret))
      }

      await system.control.clearFaults(fault.id)
      assert.equal((await replay(letter)).status, 202)
      await inbound.ended(webhook.id)
      assert.equal((await inbound.booking(reservation.id)).status, 'confirmed')
      assert.equal((await lettersOf(webhook.id, 'replayed')).length, 1)
      assert.ok(await metric('hostaway_dead_letters_open 0'))

      const again = await replay(letter)
      assert.deepEqual([again.status, again.body.code], [409, 'DEAD_LETTER_NOT_OPEN'])
    })

    it('two people who replay one dead letter at once replay it once', async () => {
      const { reservation, fault, webhook } = await failForGood()
      await system.control.clearFaults(fault.id)
      const [letter] = await lettersOf(webhook.id, 'open')
      const answers = await Promise.all([replay(letter), replay(letter), replay(letter)])
      assert.deepEqual(answers.map(({ status }) => status).toSorted(), [202, 409, 409])
      await inbound.ended(webhook.id)
      assert.deepEqual(await inbound.eventTypes(reservation.id), ['booking.created', 'availability.blocked'])
    })

    it('a replay that fails again leaves an open row again', async () => {
      const { fault, webhook } = await failForGood()
      const [letter] = await lettersOf(webhook.id, 'open')
      await replay(letter)
      assert.equal((await inbound.ended(webhook.id)).status, 'failed')
      await eventually(async () => assert.equal((await lettersOf(webhook.id, 'open')).length, 1))
      assert.equal((await lettersOf(webhook.id)).length, 2)
      await system.control.clearFaults(fault.id)
      const answer = await system.api<{ count: number }>('POST', '/v1/dead-letters/replay', {
        kind: 'hostaway_unavailable',
        connection: connection.id,
      })
      assert.deepEqual([answer.status, answer.body.count], [202, 1])
      assert.equal((await inbound.ended(webhook.id)).status, 'processed')
    })

    it('a discarded dead letter is not replayed', async () => {
      const { fault, webhook } = await failForGood()
      await system.control.clearFaults(fault.id)
      const [letter] = await lettersOf(webhook.id, 'open')
      const discard = () =>
        system.api('POST', `/v1/dead-letters/${letter?.id}/discard`, { reason: 'made by a test' })
      assert.equal((await discard()).status, 200)
      assert.equal((await discard()).status, 409)
      assert.equal((await replay(letter)).status, 409)
    })

    it('replaying a failed webhook closes its dead letter', async () => {
      const { reservation, fault, webhook } = await failForGood()
      await system.control.clearFaults(fault.id)
      assert.equal((await system.api('POST', `/v1/webhooks/${webhook.id}/replay`)).status, 202)
      assert.equal((await inbound.ended(webhook.id)).status, 'processed')
      assert.deepEqual(await lettersOf(webhook.id, 'open'), [])
      assert.equal((await inbound.booking(reservation.id)).status, 'confirmed')
    })

    it('replaying webhooks that were processed changes nothing, the oldest last included', async () => {
      const body = newReservation({ updatedOn: versionAt(0) })
      const first = await inbound.deliver(announcementOf(body))
      const second = await inbound.send({ ...body, status: 'cancelled', updatedOn: versionAt(1) })
      const before = [await inbound.booking(body.id), await inbound.events(body.id)]
      for (const { id } of [second, first]) {
        assert.equal((await system.api('POST', `/v1/webhooks/${id}/replay`)).status, 202)
        assert.equal((await inbound.ended(id)).status, 'processed')
      }
      assert.deepEqual([await inbound.booking(body.id), await inbound.events(body.id)], before)
      assert.equal(await inbound.nights(body.id), undefined)
    })

    it('a deferral uses up no attempt', async () => {
      const reservation = await system.control.book(accountId, { silent: true })
      const path = `/reservations/${reservation.id}`
      // Two waits and two failures: with three attempts only the failures may count.
      const faults = { path, kind: 'status' as const, count: 2 }
      await system.control.injectFault({ ...faults, status: 429, retryAfterSeconds: 1 })
      await system.control.injectFault({ ...faults, status: 500 })
      const webhook = await inbound.send({ ...reservation, updatedOn: undefined })
      assert.equal(webhook.outcome, 'created')
      assert.deepEqual(
        (await system.control.calls({ path })).map(({ status }) => status),
        [429, 429, 500, 500, 200],
      )
    })
  })
}
