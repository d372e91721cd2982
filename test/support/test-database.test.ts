import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from 'pg'
import { pendingMigrations } from '../../src/platform/db/migrate.ts'
import { createTestDatabase, databaseUrl } from './test-database.ts'

async function countDatabases(url: string): Promise<number> {
  const client = new Client({ connectionString: databaseUrl('postgres') })
  await client.connect()
  const name = new URL(url).pathname.slice(1)
  const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name])
  await client.end()
  return rowCount ?? 0
}

test('a test database is migrated, and dropped with whatever is still connected', async (t) => {
  let url = ''
  let ended: Promise<unknown> | undefined
  await t.test('while the test runs', async (inner) => {
    url = await createTestDatabase(inner)
    assert.deepEqual(await pendingMigrations(url), [])
    assert.equal(await countDatabases(url), 1)
    const forgotten = new Client({ connectionString: url })
    await forgotten.connect()
    ended = new Promise((resolve) => forgotten.on('error', resolve))
  })
  await ended
  assert.equal(await countDatabases(url), 0)
})

test('test databases are splitConflictFree', async (t) => {
  const urls = await Promise.all([createTestDatabase(t), createTestDatabase(t)])
  assert.notEqual(urls[0], urls[1])
})
