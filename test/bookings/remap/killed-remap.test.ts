import assert from 'node:assert/strict'
import { it } from 'node:test'
import { sql } from 'kysely'
import { eventually } from '../../support/eventually.ts'
import { startObserved } from '../../support/observed-inbound.ts'
import { newReservation } from '../../support/reservation-bodies.ts'
import { startProcess } from '../../support/spawned-process.ts'

const copies = 1_000

it('a remap whose worker is killed goes on where it was, and every booking is changed once', async (t) => {
  const { system, connection, db, ...inbound } = await startObserved(t, {
    upkeepTimes: { remapEveryMs: 86_400_000 },
  })
  const body = newReservation()
  await inbound.send(body)
  await sql`
    insert into bookings
    select (jsonb_populate_record(booking, jsonb_build_object(
      'id', uuidv7(), 'external_id', number::text, 'source', jsonb_set(source, '{id}', to_jsonb(number))
    ))).*
    from bookings booking, generate_series(1, ${copies}::integer) number
  `.execute(db)
  await sql`
    insert into availability_blocks
    select (jsonb_populate_record(block, jsonb_build_object('external_id', number::text))).*
    from availability_blocks block, generate_series(1, ${copies}::integer) number
  `.execute(db)
  await system.stopWorkers()
  const path = `/v1/connections/${connection.id}/mapping`
  await system.api('PUT', path, { spec: { fields: { total: { from: 'totalPrice', type: 'money' } } } })
  const { body: remap } = await system.api<{ id: string; total: number }>('POST', `${path}/remap`)
  assert.equal(remap.total, copies + 1)

  const { config, keys } = system
  const settings = {
    DATABASE_URL: config.DATABASE_URL,
    QUEUE_PREFIX: config.QUEUE_PREFIX,
    ENCRYPTION_KEYS: keys,
    METRICS_PORT: '0',
    HOSTAWAY_API_URL: config.HOSTAWAY_API_URL,
  }
  const shown = async () =>
    (await system.api<{ status: string; done: number; changed: number }>('GET', `${path}/remaps/${remap.id}`))
      .body

  const victim = startProcess(t, 'workers/main.ts', settings)
  await eventually(async () => assert.ok((await shown()).done > 0), { timeoutMs: 60_000, intervalMs: 10 })
  victim.kill('SIGKILL')
  await victim.end()
  const { done, status } = await shown()
  assert.equal(status, 'running', `${done} were done`)
  const { rows } = await sql<{ mapped: number }>`
    select count(*)::integer as mapped from bookings where mapping_version = 1
  `.execute(db)
  assert.equal(rows[0]?.mapped, done, 'what is done and what says so are committed together')

  startProcess(t, 'workers/main.ts', settings)
  await eventually(async () => assert.equal((await shown()).status, 'completed'), { timeoutMs: 60_000 })
  const { changed } = await shown()
  assert.equal(changed, copies + 1)
  const events = await sql<{ subjects: number; events: number }>`
    select count(distinct subject)::integer as subjects, count(*)::integer as events
    from event_outbox where type = 'booking.updated'
  `.execute(db)
  assert.deepEqual(events.rows[0], { subjects: copies + 1, events: copies + 1 })
  const left = await sql`select 1 from bookings where fields -> 'total' ->> 'minor' <> '41250'`.execute(db)
  assert.equal(left.rows.length, 0)
})
