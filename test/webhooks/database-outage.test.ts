import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { after, describe, it, type TestContext } from 'node:test'
import { sql } from 'kysely'
import { createApp } from '../../src/app.ts'
import { openDatabase } from '../../src/platform/db/database.ts'
import { eventually } from '../support/eventually.ts'
import { openFaultyLink } from '../support/faulty-link.ts'
import { countRefused, countWebhooks, post, webhookRow } from '../support/ingress.ts'
import { startTestSystem } from '../support/test-system.ts'

const system = await startTestSystem({ after }, { workers: false })
const connection = await system.connect()
const { accountId } = connection
const body = `{"event":"task.created","accountId":${accountId}}`
const json = { 'content-type': 'application/json' }
const authorized = { ...json, authorization: connection.basic }
const unauthorized = { ...json, authorization: 'Basic dXNlcjp3cm9uZw==' }
const maxAnswerMs = 5_000

type IngressOptions = { databaseUrl?: string; timeoutMs?: number; statementTimeoutMs?: number }

/** Another API process of the same system, as far as the ingress is concerned. */
async function startIngress(
  t: TestContext,
  { databaseUrl = system.config.DATABASE_URL, timeoutMs = 5_000, statementTimeoutMs = 4_000 }: IngressOptions,
) {
  const ingressDb = openDatabase({
    url: databaseUrl,
    maxConnections: 4,
    statementTimeoutMs,
    applicationName: 'ingress-of-a-test',
  })
  const config = { ...system.config, HOSTAWAY_WEBHOOK_TIMEOUT_MS: timeoutMs }
  const app = await createApp({ ...system.deps, config, ingressDb })
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.after(async () => {
    await app.close()
    await ingressDb.destroy()
  })
  const { port } = app.server.address() as AddressInfo
  const shared = `http://127.0.0.1:${port}/webhooks/hostaway`
  return { app, shared, url: `${shared}/${connection.id}` }
}

/** Holds the table, as a long foreign transaction would, until it is released. */
async function lockWebhooks(t: TestContext): Promise<() => Promise<void>> {
  const locked = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const holding = system.db.transaction().execute(async (trx) => {
    await sql`lock table webhook_logs in access exclusive mode`.execute(trx)
    locked.resolve()
    await released.promise
  })
  const release = async () => {
    released.resolve()
    await holding
  }
  t.after(release)
  await Promise.race([locked.promise, holding])
  return release
}

async function comeAgain(send: () => ReturnType<typeof post>) {
  const refusedBefore = await countRefused(system, 503)
  const startedAt = performance.now()
  const answer = await send()
  assert.equal(answer.status, 503, answer.text)
  assert.ok(performance.now() - startedAt < maxAnswerMs)
  assert.equal(answer.body.code, 'WEBHOOK_NOT_STORED')
  assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/)
  assert.ok((await countRefused(system, 503)) > refusedBefore)
  return answer
}

describe('while the database is away', () => {
  it('no request is answered 401, and afterwards all is as before', async (t) => {
    const link = await openFaultyLink(t, system.config.DATABASE_URL)
    const { url, shared } = await startIngress(t, { databaseUrl: link.url })
    link.cut()
    for (const address of [url, shared, url.replace(connection.id, crypto.randomUUID())]) {
      for (const headers of [authorized, unauthorized, json])
        await comeAgain(() => post(address, body, headers))
    }
    link.mend()
    for (const address of [url, shared]) {
      const answer = await eventually(async () => {
        const again = await post(address, body, authorized)
        assert.equal(again.status, 200)
        return again
      })
      assert.equal((await webhookRow(system, answer.body.webhookId)).body, body)
      assert.equal((await post(address, body, unauthorized)).status, 401)
    }
  })

  it('a webhook of a known connection comes again, and is stored without a restart', async (t) => {
    const link = await openFaultyLink(t, system.config.DATABASE_URL)
    const { url } = await startIngress(t, { databaseUrl: link.url })
    for (let round = 0; round < 3; round += 1) {
      await eventually(async () => assert.equal((await post(url, body, authorized)).status, 200))
      link.cut()
      await comeAgain(() => post(url, body, authorized))
      link.mend()
    }
    const before = await countWebhooks(system)
    await eventually(async () => assert.equal((await post(url, body, authorized)).status, 200))
    assert.equal(await countWebhooks(system), before + 1)
  })

  it('while the database does not even answer a webhook gets 503 in time, and new connections once there is a server again', async (t) => {
    const link = await openFaultyLink(t, system.config.DATABASE_URL)
    const options = { databaseUrl: link.url, timeoutMs: 200, statementTimeoutMs: 200 }
    const { url, shared } = await startIngress(t, options)
    assert.equal((await post(url, body, authorized)).status, 200)
    link.stall()
    const sendToAll = () =>
      Promise.all(
        Array.from({ length: 12 }, (_, index) =>
          comeAgain(() => post(index % 2 === 0 ? url : shared, body, authorized)),
        ),
      )
    await sendToAll()
    await eventually(async () => {
      // Nothing is known of the connection any more by then, and it cannot be looked up.
      await comeAgain(() => post(url, body, unauthorized))
    })
    link.mend()
    await eventually(async () => {
      const answers = await Promise.all(Array.from({ length: 12 }, () => post(url, body, authorized)))
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    })
  })
})

describe('while the table is locked', () => {
  it('a webhook is answered 503 in time, without waiting for the lock', async (t) => {
    const { url } = await startIngress(t, { timeoutMs: 300 })
    assert.equal((await post(url, body, authorized)).status, 200)
    const release = await lockWebhooks(t)
    await comeAgain(() => post(url, body, authorized))
    await release()
    assert.equal((await post(url, body, authorized)).status, 200)
  })

  it('webhooks for which there is no room are answered 503 at once, the others once they are stored', async (t) => {
    const { app, url } = await startIngress(t, { timeoutMs: 60_000, statementTimeoutMs: 60_000 })
    assert.equal((await post(url, body, authorized)).status, 200)
    const before = await countWebhooks(system)
    const release = await lockWebhooks(t)
    const full = Promise.withResolvers<void>()
    const sending = Promise.all(
      Array.from({ length: 2_300 }, async () => {
        const { statusCode } = await app.inject({ method: 'POST', url, payload: body, headers: authorized })
        if (statusCode === 503) full.resolve()
        return statusCode
      }),
    )
    await Promise.race([full.promise, sending])
    await release()
    const statuses = await sending
    const stored = statuses.filter((status) => status === 200).length
    assert.ok(stored >= 2_000 && stored < 2_300, `${stored} were stored`)
    assert.equal(statuses.filter((status) => status === 503).length, 2_300 - stored)
    assert.equal(await countWebhooks(system), before + stored)
  })

  const soon = { timeout: 20_000 }
  it('an ingress that is closed stores and answers what it has taken, and ends', soon, async (t) => {
    const { app, url } = await startIngress(t, {})
    assert.equal((await post(url, body, authorized)).status, 200)
    const before = await countWebhooks(system)
    const release = await lockWebhooks(t)
    const sending = Promise.all(Array.from({ length: 5 }, () => post(url, body, authorized)))
    await eventually(async () => {
      const { rows } = await sql<{ count: string }>`
        select count(*) from pg_stat_activity
        where application_name = 'ingress-of-a-test' and wait_event_type = 'Lock'`.execute(system.db)
      assert.ok(Number(rows[0]?.count) > 0)
    })
    const closing = app.close()
    await release()
    const answers = await sending
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200, 200],
    )
    await closing
    assert.equal(await countWebhooks(system), before + 5)
  })
})

it('a row that the database refuses fails alone', async (t) => {
  await sql`
    create function refuse_poison() returns trigger language plpgsql as $$
    begin
      raise exception 'poison' using errcode = new.source_event;
    end $$`.execute(system.db)
  await sql`
    create trigger refuse_poison before insert on webhook_logs
    for each row when (new.source_event ~ '^2[23]') execute function refuse_poison()`.execute(system.db)
  t.after(() => sql`drop function refuse_poison cascade`.execute(system.db))
  const { url } = await startIngress(t, {})
  const before = await countWebhooks(system)
  const events = Array.from({ length: 30 }, (_, index) =>
    index % 15 === 7 ? ['22P05', '23514'][Math.floor(index / 15)] : 'task.created',
  )
  const answers = await Promise.all(events.map((event) => post(url, JSON.stringify({ event }), authorized)))
  assert.deepEqual(
    answers.map(({ status }) => status),
    events.map((event) => (event === 'task.created' ? 200 : 503)),
  )
  assert.equal(await countWebhooks(system), before + 28)
})
