import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startVictimDatabase } from '../../chaos/victim-database.ts'
import { openJobQueues } from '../../src/queues.ts'
import { eventually } from '../support/eventually.ts'

test('a queue that is used for the first time while PostgreSQL is away works once it is back', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hostaway-chaos-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const database = await startVictimDatabase(join(folder, 'postgres'))
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
  await assert.rejects(queues.enqueueWebhooks(['019aa000-0000-7000-8000-000000000001']))
  await database.start()
  await queues.enqueueWebhooks(['019aa000-0000-7000-8000-000000000002'])
  await eventually(async () => assert.equal(await queues.dueJobs('inbound'), 1))
})
