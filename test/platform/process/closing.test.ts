import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import { eventually } from '../../support/eventually.ts'
import { startReceiving } from '../../support/receiving-process.ts'

const maxSeconds = 25

describe('closing', () => {
  for (const [file, signal] of [
    ['src/server.ts', 'SIGTERM'],
    ['local/start.ts', 'SIGINT'],
  ] as const) {
    it(`closing of ${file} on ${signal} while webhooks arrive loses none that was answered 200`, async (t) => {
      const { process, db, deliver } = await startReceiving(t, file)
      const accepted: string[] = []
      let closing = false
      async function keepDelivering(): Promise<void> {
        for (;;) {
          const webhookId = await deliver()
          if (webhookId !== undefined) accepted.push(webhookId)
          else if (closing) return
        }
      }
      const senders = Array.from({ length: 16 }, keepDelivering)
      await eventually(() => assert.ok(accepted.length > 100))
      const startedAt = Date.now()
      process.kill(signal)
      closing = true
      const { code } = await process.end()
      assert.equal(code, 0)
      assert.ok(Date.now() - startedAt < maxSeconds * 1_000)
      await Promise.all(senders)
      const stored = await db.selectFrom('webhook_logs').select('id').execute()
      const ids = new Set(stored.map(({ id }) => id))
      assert.deepEqual(
        accepted.filter((id) => !ids.has(id)),
        [],
      )
    })
  }

  it('closing answers what is in flight first, and ignores signals repeated within five seconds', async (t) => {
    const { process, db, deliver } = await startReceiving(t, 'src/server.ts')
    assert.ok(await deliver())
    const answer = await db.transaction().execute(async (trx) => {
      await sql`lock table webhook_logs in access exclusive mode`.execute(trx)
      const pending = deliver()
      await eventually(async () => {
        const waiting = await sql`
          select 1 from pg_stat_activity where application_name = 'hostaway-ingress' and wait_event_type = 'Lock'
        `.execute(trx)
        assert.equal(waiting.rows.length, 1)
      })
      process.kill('SIGTERM')
      await process.until('process.closing')
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGTERM'] as const) {
        process.kill(signal)
        // A signal is delivered some time after kill() returns.
        await pause(50)
      }
      return { pending }
    })
    assert.ok(await answer.pending)
    assert.deepEqual((await process.end()).code, 0)
    assert.equal(process.events().filter(({ msg }) => msg === 'process.closing').length, 1)
  })
})
