import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { openDatabase } from '../../../src/platform/db/database.ts'
import { migrateToLatest, pendingMigrations } from '../../../src/platform/db/migrate.ts'
import { createTestDatabase } from '../../support/test-database.ts'

test('an older release accepts the schema that a newer one left', async (context) => {
  const url = await createTestDatabase(context)
  const db = openDatabase({ url, maxConnections: 1, applicationName: 'test' })
  await sql`insert into kysely_migration (name, timestamp) values ('9999_of_a_later_release', now()::text)`.execute(
    db,
  )
  await db.destroy()
  assert.deepEqual(await migrateToLatest(url), [])
  assert.deepEqual(await pendingMigrations(url), [])
})
