import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Client } from 'pg'
import { startVictimDatabase } from '../../../chaos/victim-database.ts'
import { openJobQueues } from '../../../src/platform/queue/queues.ts'
import { eventually } from '../../support/eventually.ts'
import { openFaultyLink } from '../../support/faulty-link.ts'
import { createTestDatabase } from '../../support/test-database.ts'

test('a queue that is used for the first time while PostgreSQL is away works once it is back', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hostaway-chaos-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const database = await startVictimDatabase(join(folder, 'postgres'), folder)
  t.after(() => database.stop('fast'))
  const queues = openJobQueues({
    redisUrl: undefined,
    databaseUrl: database.url,
    prefix: 'hostaway',
    telemetry: undefined,
    onError: () => {},
  })
  t.after(() => queues.close())

  await database.stop('fast')
  await assert.rejects(
    queues.enqueueWebhooks([{ id: '019aa000-0000-7000-8000-000000000001', connectionId: 'any' }]),
  )
  await database.start()
  await queues.enqueueWebhooks([{ id: '019aa000-0000-7000-8000-000000000002', connectionId: 'any' }])
  await eventually(async () => assert.equal(await queues.dueJobs('inbound'), 1))
})

test('a connection that breaks while a queue is being prepared does not end the process', async (t) => {
  const databaseUrl = await createTestDatabase(t)
  const open = (address: string) => {
    const queues = openJobQueues({
      redisUrl: undefined,
      databaseUrl: address,
      prefix: 'hostaway',
      telemetry: undefined,
      onError: () => {},
    })
    t.after(() => queues.close())
    return queues
  }
  assert.equal(await open(databaseUrl).dueJobs('inbound'), 0)

  // Preparing the queue now has to wait for this transaction.
  const client = new Client({ connectionString: databaseUrl })
  client.on('error', () => {})
  await client.connect()
  t.after(() => client.end())
  await client.query('begin')
  const { rows } = await client.query("select tablename from pg_tables where schemaname = 'hostaway_queue'")
  const tables = rows.map(({ tablename }) => `hostaway_queue.${tablename}`)
  await client.query(`lock table ${tables.join(', ')} in access exclusive mode`)
  const link = await openFaultyLink(t, databaseUrl)
  const queues = open(link.url)
  const preparing = assert.rejects(queues.dueJobs('inbound'))
  await eventually(async () => {
    const waiting = await client.query('select from pg_locks where not granted')
    assert.ok(waiting.rowCount)
  })
  link.drop()
  await preparing
  await client.query('rollback')
  assert.equal(await queues.dueJobs('inbound'), 0)
})
