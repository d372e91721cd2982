import { constants } from 'node:fs'
import { access, chmod, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../local/embedded-postgres.ts'
import { migrateToLatest } from '../../src/platform/db/migrate.ts'
import { startTestRedis, type TestRedis } from './redis-server.ts'
import { databaseUrl, migratedTemplate, runOnServer } from './test-database.ts'

let postgres: EmbeddedPostgres | undefined
let redis: TestRedis | undefined

/** Starts what all test files share: PostgreSQL with a migrated template database, and Redis where there is one. */
export async function globalSetup(): Promise<void> {
  const chosenRedis = process.env.REDIS_URL
  // No test may reach a server of the developer's by accident.
  delete process.env.REDIS_URL
  delete process.env.DATABASE_URL
  // Each test file and each process that it starts loads the same modules.
  process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'hostaway-test-compiled')
  try {
    postgres = await startEmbeddedPostgres({
      dataDir: await memoryFolder(),
      temporary: true,
      settings: {
        fsync: 'off',
        synchronous_commit: 'off',
        full_page_writes: 'off',
        max_connections: '500',
      },
    })
    process.env.TEST_POSTGRES_URL = postgres.url
    await createMigratedTemplate()
    redis = chosenRedis === undefined ? await startTestRedis() : undefined
    const redisUrl = chosenRedis ?? redis?.url
    if (redisUrl !== undefined) process.env.TEST_REDIS_URL = redisUrl
  } catch (error) {
    await globalTeardown()
    throw error
  }
  warnWithoutRedis()
}

/** Ends what globalSetup started. */
export async function globalTeardown(): Promise<void> {
  await Promise.all([postgres?.stop(), redis?.stop()])
  if (postgres !== undefined) warnWithoutRedis()
}

async function createMigratedTemplate(): Promise<void> {
  await runOnServer(`create database ${migratedTemplate}`)
  await migrateToLatest(databaseUrl(migratedTemplate))
}

/** Cloning a database takes milliseconds in memory and up to half a second on disk. */
async function memoryFolder(): Promise<string> {
  const memory = '/dev/shm'
  const parent = await access(memory, constants.W_OK).then(
    () => memory,
    () => tmpdir(),
  )
  const folder = await mkdtemp(join(parent, 'hostaway-test-postgres-'))
  await chmod(folder, 0o711)
  return folder
}

function warnWithoutRedis(): void {
  if (process.env.TEST_REDIS_URL !== undefined) return
  process.stderr.write(`
================================================================
  REDIS WAS NOT TESTED
  The tests that need Redis did not run. To run them, install
  redis-server (for example: apt-get install redis-server), or
  set REDIS_URL to a Redis that tests may use.
================================================================

`)
}
